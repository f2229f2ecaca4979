package fakeaws_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// TestDeregisterWithSnapshots copies an image, which names its source, and removes an image together with its snapshots
// but for one that another image stands on, as the SDK sees it: the awscli of Debian 12 does not know of either.
func TestDeregisterWithSnapshots(t *testing.T) {
	const region = "us-east-1"
	f := fakeaws.New(fakeaws.Options{})
	client := ec2.New(ec2.Options{
		Region: region, BaseEndpoint: aws.String("http://ec2.example.com"), HTTPClient: &http.Client{Transport: f.RoundTripper()},
		Credentials: credentials.NewStaticCredentialsProvider(fakeaws.AccessKey, fakeaws.SecretKey, ""), Retryer: aws.NopRetryer{},
	})
	instance := f.AddInstances(region, 1, 3, func(int) map[string]string { return nil })[0]
	made, err := client.CreateImage(t.Context(), &ec2.CreateImageInput{InstanceId: &instance, Name: aws.String("nightly"), NoReboot: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	shared := f.Snapshots(region)[0].ID
	f.AddImage(region, fakeaws.Image{Name: "by-hand", RootDevice: "/dev/xvda", Mappings: []fakeaws.Mapping{{Device: "/dev/xvda", SnapshotID: shared, GiB: 8}}})

	const there = "us-west-2"
	dup, err := client.CopyImage(t.Context(), &ec2.CopyImageInput{SourceImageId: made.ImageId, SourceRegion: aws.String(region), Name: aws.String("nightly")}, func(o *ec2.Options) { o.Region = there })
	if err != nil {
		t.Fatal(err)
	}
	images, err := client.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{*dup.ImageId}}, func(o *ec2.Options) { o.Region = there })
	if err != nil || len(images.Images) != 1 || aws.ToString(images.Images[0].SourceImageId) != *made.ImageId {
		t.Errorf("DescribeImages of a copy: got %v (%v), want one that names its source %s", images, err, *made.ImageId)
	}

	gone, err := client.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: made.ImageId, DeleteAssociatedSnapshots: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	for _, r := range gone.DeleteSnapshotResults {
		codes[string(r.ReturnCode)]++
	}
	if codes["success"] != 2 || codes["skipped"] != 1 {
		t.Errorf("DeregisterImage with its snapshots: got %v, want two deleted and the shared one skipped", codes)
	}
	if left := f.Snapshots(region); len(left) != 1 || left[0].ID != shared {
		t.Errorf("snapshots: got %v, want %s alone", left, shared)
	}
}
