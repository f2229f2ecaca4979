package policy

import (
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

func instance(change func(*cloud.Instance)) *cloud.Instance {
	i := &cloud.Instance{
		Ref:   cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindInstance, ID: "i-1"},
		Power: cloud.PowerRunning,
		Tags:  cloud.TagsOf(map[string]string{"backup": "daily", "env": "prod"}),
	}
	if change != nil {
		change(i)
	}
	return i
}

func TestSelectMatch(t *testing.T) {
	tag := func(key string, values ...string) []TagMatch { return []TagMatch{{Key: key, Values: values}} }
	for _, c := range []struct {
		name string
		sel  Select
		inst *cloud.Instance
		want bool
	}{
		{"law 8: an empty selector selects nothing", Select{}, instance(nil), false},
		{"law 8: except alone selects nothing", Select{Except: Except{IDs: []string{"i-2"}}}, instance(nil), false},
		{"law 8: stint:role is never selected", Select{Tags: tag("backup")}, instance(func(i *cloud.Instance) { i.Tags = i.Tags.With(cloud.TagRole, "drill") }), false},
		{"law 8: nor by its id", Select{IDs: []string{"i-1"}}, instance(func(i *cloud.Instance) { i.Tags = i.Tags.With(cloud.TagRole, "standby") }), false},
		{"what is gone is never selected", Select{Accounts: []string{"web"}}, instance(func(i *cloud.Instance) { i.Power = cloud.PowerGone }), false},
		{"no instance", Select{Accounts: []string{"web"}}, nil, false},
		{"account", Select{Accounts: []string{"lab", "web"}}, instance(nil), true},
		{"another account", Select{Accounts: []string{"lab"}}, instance(nil), false},
		{"region", Select{Regions: []string{"us-east-1"}}, instance(nil), true},
		{"another region", Select{Accounts: []string{"web"}, Regions: []string{"eu-west-1"}}, instance(nil), false},
		{"any value", Select{Tags: tag("backup")}, instance(nil), true},
		{"one of the values", Select{Tags: tag("backup", "hourly", "daily")}, instance(nil), true},
		{"none of the values", Select{Tags: tag("backup", "hourly")}, instance(nil), false},
		{"the key is not there", Select{Tags: tag("team")}, instance(nil), false},
		{"keys keep their case", Select{Tags: tag("Backup")}, instance(nil), false},
		{"all tags must match", Select{Tags: append(tag("backup"), tag("env", "test")...)}, instance(nil), false},
		{"an empty value is a value", Select{Tags: tag("env", "")}, instance(nil), false},
		{"id", Select{IDs: []string{"i-1"}}, instance(nil), true},
		{"another id", Select{IDs: []string{"i-2"}}, instance(nil), false},
		{"except by id", Select{Tags: tag("backup"), Except: Except{IDs: []string{"i-1"}}}, instance(nil), false},
		{"except by any one tag", Select{Tags: tag("backup"), Except: Except{Tags: append(tag("team"), tag("env", "prod")...)}}, instance(nil), false},
		{"except by another value", Select{Tags: tag("backup"), Except: Except{Tags: tag("env", "test")}}, instance(nil), true},
	} {
		if got := c.sel.Match(c.inst); got != c.want {
			t.Errorf("%s: Match = %v, want %v", c.name, got, c.want)
		}
	}
}

// Law 4 needs the tags that an instance was selected by, as they were: no more, so that a change elsewhere holds nothing.
func TestSelectBy(t *testing.T) {
	s := Select{Tags: []TagMatch{{Key: "backup"}, {Key: "env", Values: []string{"prod"}}}}
	got := s.By(cloud.TagsOf(map[string]string{"backup": "daily", "env": "prod", "team": "x"}))
	if want := cloud.TagsOf(map[string]string{"backup": "daily", "env": "prod"}); !got.Equal(want) {
		t.Errorf("By = %v, want %v", got, want)
	}
	if got := (Select{Accounts: []string{"web"}}).By(cloud.TagsOf(map[string]string{"a": "b"})); len(got) != 0 {
		t.Errorf("By of a selector without tags = %v, want none", got)
	}
}
