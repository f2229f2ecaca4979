package permit

import (
	"slices"
	"testing"
)

func TestPrune(t *testing.T) {
	line := func(ours string, resources []string, actions ...string) grant {
		return grant{actions: actions, resources: resources, ours: ours}
	}
	for _, c := range []struct {
		name string
		give []grant
		want [][]string // the actions that are left of each line
	}{
		{"a wider line holds a narrower one", []grant{line("", []string{"a:disk/*"}, "x"), line("", []string{"a:*"}, "x", "y")}, [][]string{{"x", "y"}}},
		{"two lines together hold a third", []grant{line("", []string{"a", "b"}, "x"), line("", []string{"a"}, "x", "y"), line("", []string{"b"}, "x", "z")}, [][]string{{"x", "y"}, {"x", "z"}}},
		{"a part is not the whole", []grant{line("", []string{"a", "b"}, "x"), line("", []string{"a", "c"}, "x")}, [][]string{{"x"}, {"x"}}},
		{"a condition holds nothing that has none", []grant{line("", []string{"a"}, "x"), line("tag", []string{"a", "b"}, "x")}, [][]string{{"x"}, {"x"}}},
		{"no condition holds one", []grant{line("tag", []string{"a"}, "x"), line("", []string{"a", "b"}, "x")}, [][]string{{"x"}}},
		{"other regions are other lines", []grant{{actions: []string{"x"}, resources: []string{"*"}, regions: []string{"r"}}, {actions: []string{"x"}, resources: []string{"*"}, regions: []string{"s"}}}, [][]string{{"x"}, {"x"}}},
	} {
		var got [][]string
		for _, g := range prune(c.give) {
			got = append(got, g.actions)
		}
		if !slices.EqualFunc(got, c.want, slices.Equal[[]string]) {
			t.Errorf("%s: prune left %v, want %v", c.name, got, c.want)
		}
	}
}
