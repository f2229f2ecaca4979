package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Complaint is one thing that is wrong in the policy files. Values of secrets never appear in one.
type Complaint struct {
	Pos     Position `json:"pos"`
	Path    string   `json:"path,omitempty"` // where in the tree: policies.nightly.backup.keep
	Problem string   `json:"problem"`
	Hint    string   `json:"hint,omitempty"`    // the nearest right form
	Warning bool     `json:"warning,omitempty"` // the files may be used all the same
}

// String is file:line:column: problem (hint).
func (c Complaint) String() string {
	var b strings.Builder
	if c.Pos != (Position{}) {
		b.WriteString(c.Pos.String())
		b.WriteString(": ")
	}
	if c.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(c.Problem)
	if c.Hint != "" {
		b.WriteString(" (")
		b.WriteString(c.Hint)
		b.WriteString(")")
	}
	return b.String()
}

// String is file:line:column.
func (p Position) String() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Compare orders positions by file, line and column.
func (p Position) Compare(o Position) int {
	return cmp.Or(strings.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column))
}

// Refused says whether any of the complaints is more than a warning, so that the rules must not be used.
func Refused(complaints []Complaint) bool {
	return slices.ContainsFunc(complaints, func(c Complaint) bool { return !c.Warning })
}

// sorted puts complaints in order of position, each once: an alias or an anchor can bring the same one twice.
func sorted(complaints []Complaint) []Complaint {
	slices.SortStableFunc(complaints, func(a, b Complaint) int {
		return cmp.Or(a.Pos.Compare(b.Pos), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Hint, b.Hint), strings.Compare(a.Path, b.Path))
	})
	return slices.CompactFunc(complaints, func(a, b Complaint) bool {
		return a.Pos == b.Pos && a.Problem == b.Problem && a.Hint == b.Hint
	})
}
