package fakeaws_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// judge is Amazon's own command line, which nobody here wrote.
type judge struct {
	t    *testing.T
	path string
	env  []string
	url  string
}

func newJudge(t *testing.T, f *fakeaws.Fake) *judge {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("STINT_AWS"), "aws")) // STINT_AWS names one when several are installed
	if err != nil {
		if os.Getenv("STINT_JUDGE") == "1" {
			t.Fatalf("%v, and STINT_JUDGE=1 demands an aws command (Debian: awscli)", err)
		}
		t.Skip("no aws command on the PATH (Debian: awscli)")
	}
	home := t.TempDir()
	j := &judge{t: t, path: path, url: f.Start(t)}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") {
			j.env = append(j.env, kv)
		}
	}
	j.env = append(j.env, "AWS_ACCESS_KEY_ID="+fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY="+fakeaws.SecretKey, "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE="+home+"/config", "AWS_SHARED_CREDENTIALS_FILE="+home+"/credentials", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	return j
}

func (j *judge) run(region string, args ...string) ([]byte, string, error) {
	cmd := exec.CommandContext(j.t.Context(), j.path, append([]string{"--endpoint-url", j.url, "--region", region, "--output", "json"}, args...)...)
	cmd.Env = j.env
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	err := cmd.Run()
	return out.Bytes(), bad.String(), err
}

// do runs a command that has to work, and reads its answer into v.
func (j *judge) do(v any, region string, args ...string) {
	j.t.Helper()
	out, bad, err := j.run(region, args...)
	if err != nil {
		j.t.Fatalf("aws %s: got %v: %s", strings.Join(args, " "), err, bad)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(out, v); err != nil {
		j.t.Fatalf("aws %s: answer is not JSON: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// refused runs a command that has to fail with the code.
func (j *judge) refused(code, region string, args ...string) {
	j.t.Helper()
	out, bad, err := j.run(region, args...)
	if err == nil || !strings.Contains(bad, "("+code+")") {
		j.t.Errorf("aws %s: got %v, %s%s; want it refused with %s", strings.Join(args, " "), err, out, bad, code)
	}
}

type tag struct{ Key, Value string }

// TestJudgeAWSCLI has the command line make, list and remove what the provider works with, with its own idea of EC2.
func TestJudgeAWSCLI(t *testing.T) {
	t.Parallel()
	const here, there = "us-east-1", "eu-west-1"
	f := fakeaws.New(fakeaws.Options{})
	j := newJudge(t, f)

	var who struct{ Account, Arn string }
	j.do(&who, here, "sts", "get-caller-identity")
	if who.Account != "111122223333" || !strings.HasPrefix(who.Arn, "arn:aws:iam::111122223333:") {
		t.Errorf("get-caller-identity: got %+v, want account 111122223333", who)
	}
	var role struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	j.do(&role, here, "sts", "assume-role", "--role-arn", "arn:aws:iam::111122223333:role/stint", "--role-session-name", "judge")
	as := *j
	as.env = append(append([]string{}, j.env...), "AWS_ACCESS_KEY_ID="+role.Credentials.AccessKeyId,
		"AWS_SECRET_ACCESS_KEY="+role.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+role.Credentials.SessionToken)
	var regions struct{ Regions []struct{ RegionName string } }
	as.do(&regions, here, "ec2", "describe-regions")
	if len(regions.Regions) != 4 {
		t.Errorf("describe-regions in the role: got %+v, want four", regions)
	}
	wrong := *j
	wrong.env = append(append([]string{}, j.env...), "AWS_SECRET_ACCESS_KEY=wrong")
	wrong.refused("AuthFailure", here, "ec2", "describe-regions")

	var run struct {
		Instances []struct{ InstanceId, SubnetId, RootDeviceName string }
	}
	j.do(&run, here, "ec2", "run-instances", "--image-id", fakeaws.BaseImage, "--instance-type", "t3.micro", "--count", "2", "--client-token", "judge-1",
		"--block-device-mappings", `[{"DeviceName":"/dev/sdf","Ebs":{"VolumeSize":20,"VolumeType":"gp3"}}]`,
		"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=web <1> & co},{Key=backup,Value=nightly}]")
	if len(run.Instances) != 2 {
		t.Fatalf("run-instances: got %+v, want two", run)
	}
	id := run.Instances[0].InstanceId
	j.refused("DryRunOperation", here, "ec2", "start-instances", "--instance-ids", id, "--dry-run")
	j.refused("IdempotentParameterMismatch", here, "ec2", "run-instances", "--image-id", fakeaws.BaseImage, "--instance-type", "t3.large", "--client-token", "judge-1")

	var instances struct {
		Reservations []struct {
			Instances []struct {
				InstanceId          string
				State               struct{ Name string }
				Tags                []tag
				BlockDeviceMappings []struct {
					DeviceName string
					Ebs        struct{ VolumeId string }
				}
			}
		}
	}
	j.do(&instances, here, "ec2", "describe-instances", "--filters", "Name=tag:backup,Values=night*", "Name=instance-state-name,Values=running", "Name=tag:Name,Values=web <?> & co")
	if len(instances.Reservations) != 2 || len(instances.Reservations[0].Instances[0].BlockDeviceMappings) != 2 || instances.Reservations[0].Instances[0].State.Name != "running" {
		t.Fatalf("describe-instances: got %+v, want two running with two disks", instances)
	}
	disk := instances.Reservations[0].Instances[0].BlockDeviceMappings[1].Ebs.VolumeId
	j.do(nil, here, "ec2", "create-tags", "--resources", id, disk, "--tags", "Key=owner,Value=a@example.com")
	j.do(nil, here, "ec2", "delete-tags", "--resources", id, "--tags", "Key=backup")
	j.refused("InvalidParameterValue", here, "ec2", "create-tags", "--resources", id, "--tags", "Key=aws:mine,Value=x")
	j.refused("InvalidInstanceID.NotFound", here, "ec2", "describe-instances", "--instance-ids", "i-0123456789abcdef0")
	j.refused("InvalidParameterValue", here, "ec2", "describe-instances", "--filters", "Name=no-such-filter,Values=x")
	var tags struct {
		Tags []struct{ Key, Value, ResourceId, ResourceType string }
	}
	j.do(&tags, here, "ec2", "describe-tags", "--filters", "Name=resource-id,Values="+id)
	if len(tags.Tags) != 2 || tags.Tags[1].Key != "owner" || tags.Tags[1].ResourceType != "instance" {
		t.Errorf("describe-tags: got %+v, want Name and owner", tags)
	}

	var volume struct{ VolumeId, State string }
	j.do(&volume, here, "ec2", "create-volume", "--availability-zone", here+"a", "--size", "5", "--volume-type", "gp3")
	j.do(nil, here, "ec2", "attach-volume", "--volume-id", volume.VolumeId, "--instance-id", id, "--device", "/dev/sdg")
	j.refused("VolumeInUse", here, "ec2", "delete-volume", "--volume-id", volume.VolumeId)
	var volumes struct {
		Volumes []struct {
			VolumeId    string
			Attachments []struct{ InstanceId, Device string }
		}
	}
	j.do(&volumes, here, "ec2", "describe-volumes", "--filters", "Name=attachment.instance-id,Values="+id)
	if len(volumes.Volumes) != 3 {
		t.Errorf("describe-volumes of %s: got %d, want 3", id, len(volumes.Volumes))
	}

	var snap struct {
		SnapshotId, State string
		Tags              []tag
	}
	j.do(&snap, here, "ec2", "create-snapshot", "--volume-id", disk, "--description", "by hand", "--tag-specifications", "ResourceType=snapshot,Tags=[{Key=k,Value=v}]")
	if snap.SnapshotId == "" || len(snap.Tags) != 1 {
		t.Errorf("create-snapshot: got %+v, want an id and a tag", snap)
	}
	var set struct {
		Snapshots []struct{ SnapshotId, VolumeId string }
	}
	j.do(&set, here, "ec2", "create-snapshots", "--instance-specification", "InstanceId="+id, "--copy-tags-from-source", "volume")
	if len(set.Snapshots) != 3 {
		t.Errorf("create-snapshots: got %+v, want three", set)
	}
	j.do(nil, here, "ec2", "wait", "snapshot-completed", "--snapshot-ids", snap.SnapshotId)
	for range 5 {
		j.do(nil, here, "ec2", "create-snapshot", "--volume-id", disk)
	}
	var snaps struct {
		Snapshots []struct {
			SnapshotId, State, OwnerId, StartTime string
			VolumeSize                            int
		}
		NextToken string
	}
	f.ResetCounts()
	j.do(&snaps, here, "ec2", "describe-snapshots", "--owner-ids", "self", "--page-size", "5")
	if len(snaps.Snapshots) != 9 || f.Count("DescribeSnapshots") != 2 {
		t.Errorf("describe-snapshots by pages of 5: got %d in %d pages, want 9 in 2", len(snaps.Snapshots), f.Count("DescribeSnapshots"))
	}
	j.do(&snaps, here, "ec2", "describe-snapshots", "--filters", "Name=tag:k,Values=v", "Name=status,Values=completed")
	if len(snaps.Snapshots) != 1 || snaps.Snapshots[0].SnapshotId != snap.SnapshotId || snaps.Snapshots[0].VolumeSize != 20 {
		t.Errorf("describe-snapshots by tag: got %+v, want %s of 20 GiB", snaps.Snapshots, snap.SnapshotId)
	}
	var copied struct{ SnapshotId string }
	j.do(&copied, there, "ec2", "copy-snapshot", "--source-region", here, "--source-snapshot-id", snap.SnapshotId, "--description", "copy",
		"--encrypted", "--kms-key-id", "alias/backup", "--tag-specifications", "ResourceType=snapshot,Tags=[{Key=k,Value=copy}]")
	j.do(&snaps, there, "ec2", "describe-snapshots", "--snapshot-ids", copied.SnapshotId)
	if len(snaps.Snapshots) != 1 || snaps.Snapshots[0].State != "completed" {
		t.Errorf("describe-snapshots of the copy: got %+v, want it completed", snaps.Snapshots)
	}

	judgeSharing(j, "snapshot", copied.SnapshotId, there, "createVolumePermission", "--create-volume-permission")

	judgeImages(j, id, here, there)
	j.do(nil, here, "ec2", "delete-snapshot", "--snapshot-id", snap.SnapshotId)
	j.refused("InvalidSnapshot.NotFound", here, "ec2", "delete-snapshot", "--snapshot-id", snap.SnapshotId)

	var changed struct {
		StoppingInstances, TerminatingInstances []struct {
			InstanceId                  string
			CurrentState, PreviousState struct{ Name string }
		}
	}
	j.do(&changed, here, "ec2", "stop-instances", "--instance-ids", id)
	if len(changed.StoppingInstances) != 1 || changed.StoppingInstances[0].PreviousState.Name != "running" {
		t.Errorf("stop-instances: got %+v, want it to have run", changed)
	}
	j.do(nil, here, "ec2", "wait", "instance-stopped", "--instance-ids", id)
	j.do(nil, here, "ec2", "start-instances", "--instance-ids", id)
	j.do(nil, here, "ec2", "terminate-instances", "--instance-ids", id)
	j.do(nil, here, "ec2", "wait", "instance-terminated", "--instance-ids", id)
}

// judgeSharing has the command line share something, see with whom, and take it back, in both of its forms.
func judgeSharing(j *judge, kind, id, region, attribute, flag string) {
	j.t.Helper()
	const partner = "444455556666"
	modify := []string{"ec2", "modify-" + kind + "-attribute", "--" + kind + "-id", id}
	for _, on := range []bool{true, false} {
		change, operation := `{"Remove":[{"UserId":"`+partner+`"}]}`, "remove"
		if on {
			change, operation = `{"Add":[{"UserId":"`+partner+`"}]}`, "add"
		}
		j.do(nil, region, append(slices.Clone(modify), flag, change)...)
		j.do(nil, region, append(slices.Clone(modify), "--attribute", attribute, "--operation-type", operation, "--user-ids", partner)...)
		var got struct{ LaunchPermissions, CreateVolumePermissions []struct{ UserId string } }
		j.do(&got, region, "ec2", "describe-"+kind+"-attribute", "--"+kind+"-id", id, "--attribute", attribute)
		users := append(got.LaunchPermissions, got.CreateVolumePermissions...)
		if on && (len(users) != 1 || users[0].UserId != partner) || !on && len(users) != 0 {
			j.t.Errorf("describe-%s-attribute once it is shared %v: got %+v", kind, on, users)
		}
	}
}

func judgeImages(j *judge, instance, here, there string) {
	j.t.Helper()
	var made struct{ ImageId string }
	create := []string{
		"ec2", "create-image", "--instance-id", instance, "--name", "nightly 1", "--no-reboot",
		"--tag-specifications", "ResourceType=image,Tags=[{Key=k,Value=v}]", "ResourceType=snapshot,Tags=[{Key=k,Value=image}]",
	}
	j.do(&made, here, create...)
	j.refused("InvalidAMIName.Duplicate", here, create...)
	j.refused("InvalidParameterValue", here, "ec2", "create-image", "--instance-id", instance, "--name", "wrong type",
		"--tag-specifications", "ResourceType=volume,Tags=[{Key=k,Value=v}]")
	j.do(nil, here, "ec2", "wait", "image-available", "--image-ids", made.ImageId)
	var images struct {
		Images []struct {
			ImageId, Name, State, SourceImageId string
			Tags                                []tag
			BlockDeviceMappings                 []struct{ Ebs struct{ SnapshotId string } }
		}
	}
	j.do(&images, here, "ec2", "describe-images", "--owners", "self", "--filters", "Name=name,Values=nightly*")
	if len(images.Images) != 1 || len(images.Images[0].BlockDeviceMappings) != 3 || images.Images[0].State != "available" {
		j.t.Fatalf("describe-images: got %+v, want one of three disks", images)
	}
	under := images.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId
	j.refused("InvalidSnapshot.InUse", here, "ec2", "delete-snapshot", "--snapshot-id", under)

	var dup struct{ ImageId string }
	copyIt := []string{
		"ec2", "copy-image", "--source-region", here, "--source-image-id", made.ImageId, "--name", "nightly 1", "--copy-image-tags",
		"--client-token", "judge-copy",
	}
	j.do(&dup, there, copyIt...)
	first := dup.ImageId
	j.do(&dup, there, copyIt...)
	if dup.ImageId != first {
		j.t.Errorf("copy-image with the same token: got %s, want %s as before", dup.ImageId, first)
	}
	judgeSharing(j, "image", made.ImageId, here, "launchPermission", "--launch-permission")
	j.do(&images, there, "ec2", "describe-images", "--image-ids", dup.ImageId)
	// Debian 12's awscli does not know the element of the source; TestDeregisterWithSnapshots asks the SDK for it.
	if len(images.Images) != 1 || !slices.Contains([]string{made.ImageId, ""}, images.Images[0].SourceImageId) || fmt.Sprint(images.Images[0].Tags) != "[{k v}]" {
		j.t.Errorf("describe-images of the copy: got %+v, want it from %s with its tag", images, made.ImageId)
	}
	var registered struct{ ImageId string }
	j.do(&registered, here, "ec2", "register-image", "--name", "registered", "--root-device-name", "/dev/xvda", "--architecture", "x86_64",
		"--block-device-mappings", `[{"DeviceName":"/dev/xvda","Ebs":{"SnapshotId":"`+under+`"}}]`)

	j.do(nil, here, "ec2", "deregister-image", "--image-id", made.ImageId)
	j.refused("InvalidAMIID.Unavailable", here, "ec2", "deregister-image", "--image-id", made.ImageId)
	j.refused("InvalidSnapshot.InUse", here, "ec2", "delete-snapshot", "--snapshot-id", under)
	deregister := []string{"ec2", "deregister-image", "--image-id", dup.ImageId}
	out, bad, err := j.run(there, append(deregister, "--delete-associated-snapshots")...)
	if strings.Contains(bad, "Unknown options: --delete-associated-snapshots") { // Debian 12's; TestDeregisterWithSnapshots asks the SDK
		j.do(nil, there, deregister...)
		for _, m := range images.Images[0].BlockDeviceMappings {
			j.do(nil, there, "ec2", "delete-snapshot", "--snapshot-id", m.Ebs.SnapshotId)
		}
	} else {
		var gone struct {
			DeleteSnapshotResults []struct{ SnapshotId, ReturnCode string }
		}
		if err := errors.Join(err, json.Unmarshal(out, &gone)); err != nil || len(gone.DeleteSnapshotResults) != 3 || gone.DeleteSnapshotResults[0].ReturnCode != "success" {
			j.t.Errorf("deregister-image with its snapshots: got %+v %v %s, want three deleted", gone, err, bad)
		}
	}
	j.do(nil, here, "ec2", "deregister-image", "--image-id", registered.ImageId)
	j.do(nil, here, "ec2", "delete-snapshot", "--snapshot-id", under)
}
