package fakealibaba

import (
	"fmt"
	"testing"
)

// TestLaunchTemplates: newest version first, in pages, and of one template at a time.
func TestLaunchTemplates(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	id := f.AddLaunchTemplate(here, "m-1", "m-2", "m-3")
	f.AddLaunchTemplate(here, "m-4")
	sets := u.must("DescribeLaunchTemplates", args{"RegionId": here})
	if got := fmt.Sprint(sets["TotalCount"]); got != "2" {
		t.Errorf("DescribeLaunchTemplates: got %v, want two", sets)
	}
	var images []string
	for page := 1; page <= 3; page++ {
		out := u.must("DescribeLaunchTemplateVersions", args{"RegionId": here, "LaunchTemplateId": id, "PageNumber": page, "PageSize": 2})
		for _, v := range out["LaunchTemplateVersionSets"].(map[string]any)["LaunchTemplateVersionSet"].([]any) {
			v := v.(map[string]any)
			images = append(images, fmt.Sprint(v["VersionNumber"], v["LaunchTemplateData"].(map[string]any)["ImageId"]))
		}
	}
	if got := fmt.Sprint(images); got != "[3m-3 2m-2 1m-1]" {
		t.Errorf("versions in pages of two: got %s, want three, two and one", got)
	}
	for action, want := range map[string]args{
		"InvalidParameter":                 {"RegionId": here, "LaunchTemplateId": id, "PageSize": 51},
		"MissingParameter":                 {"RegionId": here},
		"InvalidLaunchTemplateId.NotFound": {"RegionId": here, "LaunchTemplateId": "lt-bp100000000000000000"},
	} {
		if _, code, _ := u.try("DescribeLaunchTemplateVersions", want); code != action {
			t.Errorf("DescribeLaunchTemplateVersions %v: got %q, want %s", want, code, action)
		}
	}
	f.Remove(here, id)
	if got := fmt.Sprint(u.must("DescribeLaunchTemplates", args{"RegionId": here})["TotalCount"]); got != "1" {
		t.Errorf("DescribeLaunchTemplates after one is removed: got %s, want one", got)
	}
}
