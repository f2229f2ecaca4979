package tencent

import (
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/permit"
)

// Permissions are the CAM actions that each operation comes to. What is paid for takes the right to pay, which is no call.
func Permissions() permit.Table {
	on := func(actions ...string) []permit.Ask {
		out := make([]permit.Ask, len(actions))
		for i, a := range actions {
			out[i].Action = a
		}
		return out
	}
	ours := func(action string) []permit.Ask { return []permit.Ask{{Action: action, Ours: cloud.TagPolicy}} }
	paid := func(while string) permit.Ask { return permit.Ask{Action: "finance:trade", While: while} }
	looked := func(then string) []permit.Ask { // at what is tagged, by the kind that it is of
		return []permit.Ask{
			{Action: "cvm:DescribeInstances", On: []string{"instance"}},
			{Action: "cbs:DescribeDisks", On: []string{"disk"}},
			{Action: "cbs:DescribeSnapshots", On: []string{"snapshot"}},
			{Action: "cvm:DescribeImages", On: []string{"image"}},
			{Action: then},
		}
	}
	const (
		instances, images = "cvm:DescribeInstances", "cvm:DescribeImages"
		disks, snapshots  = "cbs:DescribeDisks", "cbs:DescribeSnapshots"
	)
	return permit.Table{Cloud: "tencent", Ops: map[string][]permit.Ask{
		"region.list":   on("cvm:DescribeRegions"),
		"instance.list": on(instances),
		"disk.list":     on(disks),
		"snapshot.list": on(snapshots),
		"image.list":    on(images),

		"snapshot.create": on(disks, "cbs:CreateSnapshot"), // the disk is looked at before
		"image.create":    on(instances, "cvm:CreateImage"),
		"snapshot.copy":   on("cbs:CopySnapshotCrossRegions"),
		"image.copy":      on("cvm:SyncImages"),
		"snapshot.delete": ours("cbs:DeleteSnapshots"),
		"image.delete":    ours("cvm:DeleteImages"),

		// The tag service tags what does not exist, so that the thing is looked at before.
		"tag.set":    looked("tag:TagResources"),
		"tag.remove": looked("tag:UnTagResources"),

		"disk.create":  append(on("cbs:CreateDisks"), paid("CreateDisks")),
		"instance.run": append(on(images, "cvm:RunInstances"), paid("RunInstances")),

		"image.share":      on("cvm:ModifyImageSharePermission"),
		"image.unshare":    on("cvm:ModifyImageSharePermission"),
		"image.shares":     on("cvm:DescribeImageSharePermission"),
		"account.identity": on("sts:GetCallerIdentity"), // which needs no permission
		"instance.start":   on("cvm:StartInstances"),
		"instance.stop":    on("cvm:StopInstances"),
		"instance.delete":  on(instances, "cvm:TerminateInstances"),
	}}
}
