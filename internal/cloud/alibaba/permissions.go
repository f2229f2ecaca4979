package alibaba

import (
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/permit"
)

// Permissions are the RAM actions that each operation comes to, with what they are about: ECS's entries in Alibaba Cloud's
// reference of authorization. Where that does not say what an action is about, it is anything of ECS in the region.
func Permissions() permit.Table {
	on := func(action string, kinds ...string) permit.Ask { return permit.Ask{Action: "ecs:" + action, On: kinds} }
	ours := func(action string, kinds ...string) permit.Ask {
		return permit.Ask{Action: "ecs:" + action, On: kinds, Ours: cloud.TagPolicy}
	}
	tagged := func(while string, kinds ...string) permit.Ask {
		return permit.Ask{Action: "ecs:TagResources", On: kinds, While: while}
	}
	const whatever = "*"
	spared := func(a permit.Ask) permit.Ask { a.Spared = true; return a }
	instances, disks := on("DescribeInstances", "instance"), on("DescribeDisks", "disk")
	snapshots, images := on("DescribeSnapshots", "snapshot"), on("DescribeImages", "image")
	return permit.Table{Cloud: "alibaba", Ops: map[string][]permit.Ask{
		"region.list":   {{Action: "ecs:DescribeRegions"}},
		"instance.list": {instances, disks},
		"disk.list":     {disks},
		"snapshot.list": {snapshots, spared(on("DescribeLockedSnapshots", whatever))},
		"image.list":    {images},

		"snapshot.create": {on("CreateSnapshot", "disk", "snapshot"), tagged("CreateSnapshot", "snapshot"), spared(snapshots)},
		"snapshotset.create": {
			on("CreateSnapshot", "disk", "snapshot"), on("CreateSnapshotGroup", whatever), on("DescribeSnapshotGroups", whatever), snapshots,
			on("ModifySnapshotAttribute", "snapshot"), on("TagResources", "snapshot"), tagged("CreateSnapshotGroup", "snapshotgroup"),
		},
		"image.create":    {on("CreateImage", "image", "instance", "snapshot"), tagged("CreateImage", "image")},
		"snapshot.copy":   {on("CopySnapshot", "snapshot"), tagged("CopySnapshot", "snapshot")},
		"image.copy":      {on("CopyImage", "image", "snapshot"), tagged("CopyImage", "image")},
		"snapshot.delete": {snapshots, ours("DeleteSnapshot", "snapshot")},
		"image.delete":    {ours("DeleteImage", "image")},

		// What stands under an image carries no tags of ours until they are set.
		"tag.set":    {on("TagResources", "image", "snapshot")},
		"tag.remove": {{Action: "ecs:UntagResources", On: []string{"image", "snapshot"}, Ours: cloud.TagBackup}},

		"disk.create":  {on("CreateDisk", "disk", "snapshot"), tagged("CreateDisk", "disk")},
		"instance.run": {on("RunInstances", whatever, "vpc:vswitch"), tagged("RunInstances", "instance")},

		"image.share":   {on("ModifyImageSharePermission", "image")},
		"image.unshare": {on("ModifyImageSharePermission", "image")},
		"image.shares":  {on("DescribeImageSharePermission", "image")},
		"image.uses": {
			images, instances, on("DescribeImageSharePermission", "image"),
			on("DescribeLaunchTemplates", whatever), on("DescribeLaunchTemplateVersions", whatever),
		},
		"snapshot.uses":    {snapshots, disks, images},
		"account.identity": {{Action: "sts:GetCallerIdentity"}}, // which needs no permission
		"instance.start":   {on("StartInstance", "instance")},
		"instance.stop":    {on("StopInstance", "instance")},
		"instance.delete":  {on("DeleteInstance", "instance")},
	}}
}
