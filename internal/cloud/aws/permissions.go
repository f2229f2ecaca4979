package aws

import (
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/permit"
)

// Permissions are the IAM actions that each operation comes to, with what they are about: EC2's entries in AWS's reference
// of service authorization. What is tagged at its making takes CreateTags besides, allowed there only.
func Permissions() permit.Table {
	whole := func(action string) []permit.Ask { return []permit.Ask{{Action: action}} }
	making := func(action string, tagged []string, on ...string) []permit.Ask {
		return []permit.Ask{{Action: "ec2:" + action, On: on}, {Action: "ec2:CreateTags", On: tagged, While: action}}
	}
	ours := func(action, tag string, on ...string) permit.Ask {
		return permit.Ask{Action: "ec2:" + action, On: on, Ours: tag}
	}
	image, snapshot, backup := []string{"image", "snapshot"}, []string{"snapshot"}, cloud.TagBackup
	shareImage := []permit.Ask{
		{Action: "ec2:DescribeImages"},
		ours("ModifySnapshotAttribute", backup, "snapshot"), ours("ModifyImageAttribute", backup, "image"),
	}
	return permit.Table{Cloud: "aws", Ops: map[string][]permit.Ask{
		"region.list":   whole("ec2:DescribeRegions"),
		"instance.list": whole("ec2:DescribeInstances"),
		"disk.list":     whole("ec2:DescribeVolumes"),
		"snapshot.list": whole("ec2:DescribeSnapshots"),
		"image.list":    whole("ec2:DescribeImages"),

		"snapshot.create":    making("CreateSnapshot", snapshot, "volume", "snapshot"),
		"snapshotset.create": making("CreateSnapshots", snapshot, "instance", "volume", "snapshot"),
		"image.create":       making("CreateImage", image, "instance", "image", "snapshot"),
		"snapshot.copy":      making("CopySnapshot", snapshot, "snapshot"),
		"image.copy":         making("CopyImage", image, "image", "snapshot"),
		"snapshot.delete":    {ours("DeleteSnapshot", cloud.TagPolicy, "snapshot")},
		"image.delete":       {ours("DeregisterImage", cloud.TagPolicy, "image")},

		// A hold may be a tag that was taken off, the policy's too: whoever releases it puts it back.
		"tag.set":    {ours("CreateTags", backup, image...)},
		"tag.remove": {ours("DeleteTags", backup, image...)},

		"disk.create": append(making("CreateVolume", []string{"volume"}, "volume"), ours("CreateVolume", backup, "snapshot")),
		"instance.run": append(
			making("RunInstances", []string{"instance", "volume"}, "instance", "key-pair", "network-interface", "security-group", "subnet", "volume"),
			ours("RunInstances", backup, "image"),
		),

		"image.share": shareImage, "image.unshare": shareImage,
		"snapshot.share":   {ours("ModifySnapshotAttribute", backup, "snapshot")},
		"snapshot.unshare": {ours("ModifySnapshotAttribute", backup, "snapshot")},
		"image.shares":     {{Action: "ec2:DescribeImageAttribute", On: []string{"image"}}},
		"snapshot.shares":  {{Action: "ec2:DescribeSnapshotAttribute", On: []string{"snapshot"}}},
		"image.uses":       {{Action: "ec2:DescribeImages"}, {Action: "ec2:DescribeImageReferences"}},
		"snapshot.uses":    {{Action: "ec2:DescribeImages"}, {Action: "ec2:DescribeVolumes"}},
		"account.identity": whole("sts:GetCallerIdentity"), // which needs no permission
		"instance.start":   {{Action: "ec2:StartInstances", On: []string{"instance"}}},
		"instance.stop":    {{Action: "ec2:StopInstances", On: []string{"instance"}}},
		"instance.delete":  {{Action: "ec2:TerminateInstances", On: []string{"instance"}}},
	}}
}
