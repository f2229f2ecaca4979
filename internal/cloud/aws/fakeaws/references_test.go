package fakeaws

import (
	"strings"
	"testing"
)

// TestImageReferences: who names an image, and what EC2 does not look at unless it is asked to.
func TestImageReferences(t *testing.T) {
	f := anyKey(Options{})
	in := f.AddInstance(here, NewInstance{State: "terminated"})
	old := make([]string, 12)
	for i := range old {
		old[i] = "ami-00000000"
	}
	old[0] = BaseImage
	template := f.AddLaunchTemplate(here, old...)
	named := func(more ...string) string {
		t.Helper()
		return done(t, f, "imageReferenceSet", "DescribeImageReferences", append([]string{"ImageId.1", BaseImage}, more...)...)
	}
	all := named("IncludeAllResourceTypes", "true")
	if !strings.Contains(all, "arn:aws:ec2:us-east-1:111122223333:instance/"+in) || strings.Contains(all, template) {
		t.Errorf("all kinds: got %s, want the instance, and not a template that named it twelve versions ago", all)
	}
	deep := named("ResourceType.1.ResourceType", "ec2:LaunchTemplate", "ResourceType.1.ResourceTypeOption.1.OptionName", "version-depth", "ResourceType.1.ResourceTypeOption.1.OptionValue.1", "10000")
	if strings.Contains(deep, in) || !strings.Contains(deep, ":launch-template/"+template) {
		t.Errorf("templates of every version: got %s, want the template alone", deep)
	}
	running := named("ResourceType.1.ResourceType", "ec2:Instance", "ResourceType.1.ResourceTypeOption.1.OptionName", "state-name", "ResourceType.1.ResourceTypeOption.1.OptionValue.1", "running")
	if strings.Contains(running, in) {
		t.Errorf("running instances: got %s, want none", running)
	}
	refused(t, f, "MissingParameter", "DescribeImageReferences", "ImageId.1", BaseImage)
	refused(t, f, "InvalidAMIID.NotFound", "DescribeImageReferences", "ImageId.1", "ami-0123456789abcdef0", "IncludeAllResourceTypes", "true")
	refused(t, f, "InvalidParameterValue", "DescribeImageReferences", "ImageId.1", BaseImage, "ResourceType.1.ResourceType", "ec2:Volume")
	many := []string{"IncludeAllResourceTypes", "true"}
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
		many = append(many, "ImageId."+n, BaseImage)
	}
	refused(t, f, "InvalidParameterValue", "DescribeImageReferences", many...)
	f.RemoveLaunchTemplate(here, template)
	if got := named("IncludeAllResourceTypes", "true"); !strings.Contains(got, in) {
		t.Errorf("without the template: got %s, want the instance still", got)
	}
}
