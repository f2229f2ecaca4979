package fakealibaba

import (
	"testing"
	"time"
)

// TestSnapshotRules: states that pass, limits, what holds a snapshot, and a deletion of nothing that succeeds.
func TestSnapshotRules(t *testing.T) {
	clk := newClock()
	f := byHand(Options{SnapshotTime: time.Minute, DiskTime: time.Minute, MaxSnapshots: 3, MaxUnfinished: 2}, clk)
	u := as(t, f)
	instance := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 1)})
	disk := f.Disks(here)[0].ID
	a := args{"RegionId": here, "DiskId": disk}
	state := func(id any) any {
		return list(u.must("DescribeSnapshots", args{"RegionId": here, "SnapshotIds": `["` + id.(string) + `"]`}), "Snapshots", "Snapshot")[0]["Status"]
	}
	first := u.must("CreateSnapshot", a)["SnapshotId"]
	if got := state(first); got != "progressing" {
		t.Errorf("a new snapshot is %v, want progressing", got)
	}
	u.refuse("InvalidSnapshotId.NotReady", "CreateDisk", args{"RegionId": here, "ZoneId": here + "-a", "SnapshotId": first})
	u.must("CreateSnapshot", a)
	u.refuse("TooManySnapshot.Unfinished", "CreateSnapshot", a)
	clk.add(time.Minute)
	if got := state(first); got != "accomplished" {
		t.Errorf("a minute later it is %v, want accomplished", got)
	}
	u.must("CreateSnapshot", a)
	u.refuse("QuotaExceed.Snapshot", "CreateSnapshot", a)
	made := u.must("CreateDisk", args{"RegionId": here, "ZoneId": here + "-a", "SnapshotId": first})["DiskId"]
	u.refuse("IncorrectDiskStatus", "CreateSnapshot", args{"DiskId": made})
	clk.add(time.Minute)
	u.refuse("IncorrectDiskStatus.NeverAttached", "CreateSnapshot", args{"DiskId": made})
	u.refuse("SnapshotCreatedDisk", "DeleteSnapshot", args{"SnapshotId": first})
	u.must("DeleteDisk", args{"DiskId": made})
	u.must("DeleteSnapshot", args{"SnapshotId": first})
	u.must("DeleteSnapshot", args{"SnapshotId": first}) // what is not there is overlooked
	f.SetState(here, instance, "Starting")
	u.refuse("IncorrectInstanceStatus", "CreateSnapshot", a)
	u.refuse("InvalidDiskId.NotFound", "CreateSnapshot", args{"DiskId": "d-1"})
	passing := u.must("CopySnapshot", args{
		"RegionId": here, "SnapshotId": f.AddSnapshot(here, Snapshot{}), "DestinationRegionId": there, "DestinationSnapshotName": "nn",
		"DestinationSnapshotDescription": "dd", "RetentionDays": 1,
	})["SnapshotId"]
	clk.add(24 * time.Hour)
	if got := list(u.must("DescribeSnapshots", args{"RegionId": there}), "Snapshots", "Snapshot"); len(got) != 0 {
		t.Errorf("%v after its day: got %v, want it gone", passing, got)
	}
	u.refuse("IncorrectDestinationRegion", "CopySnapshot", args{
		"RegionId": here, "SnapshotId": f.AddSnapshot(here, Snapshot{}), "DestinationRegionId": here, "DestinationSnapshotName": "nn",
		"DestinationSnapshotDescription": "dd",
	})
}

// TestFates: what is to fail fails, and what is to hang does.
func TestFates(t *testing.T) {
	clk := newClock()
	fates := map[string]Fate{}
	f := byHand(Options{SnapshotTime: time.Minute, ImageTime: time.Minute, Fate: func(_, source string) Fate { return fates[source] }}, clk)
	u := as(t, f)
	f.AddInstances(here, 2, 1, nil)
	disks := f.Disks(here)
	fates[disks[0].ID], fates[disks[1].ID] = Fails, Hangs
	for _, d := range disks {
		u.must("CreateSnapshot", args{"DiskId": d.ID})
	}
	clk.add(time.Hour)
	all := list(u.must("DescribeSnapshots", args{"RegionId": here, "MaxResults": 10}), "Snapshots", "Snapshot")
	if len(all) != 2 || all[0]["Status"] != "failed" || all[1]["Status"] != "progressing" || all[1]["Progress"] != "42%" {
		t.Errorf("snapshots that fail and hang: got %v", all)
	}
	f.Settle(here, all[1]["SnapshotId"].(string), Completes)
	if got := f.Snapshots(here)[1].State(clk.Now()); got != "accomplished" {
		t.Errorf("settled: got %s, want accomplished", got)
	}
}

// TestGroups: ESSD disks only, sixteen at most, members without the group's name and tags.
func TestGroups(t *testing.T) {
	f := New(Options{})
	u := as(t, f)
	good := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 3)})
	old := f.AddInstance(here, NewInstance{Disks: []NewDisk{{}, {Category: "cloud_efficiency"}}})
	wide := f.AddInstance(here, NewInstance{Disks: []NewDisk{{}, {GiB: 32 << 10}}})
	many := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 17)})
	group := func(instance string, more args) args {
		a := args{"RegionId": here, "InstanceId": instance, "Name": "nightly", "Tag.1.Key": "a", "Tag.1.Value": "b"}
		for k, v := range more {
			a[k] = v
		}
		return a
	}
	u.refuse("InvalidDiskCategory.NotSupported", "CreateSnapshotGroup", group(old, nil))
	u.refuse("InvalidParameter", "CreateSnapshotGroup", group(wide, nil))
	u.refuse("InvalidParameter", "CreateSnapshotGroup", group(many, nil))
	disks := f.Disks(here)
	u.refuse("InvalidDiskId.NotFound", "CreateSnapshotGroup", group(good, args{"DiskId.1": disks[3].ID}))
	u.refuse("InvalidParameter", "CreateSnapshotGroup", group(good, args{"DiskId.1": disks[0].ID, "ExcludeDiskId.1": disks[1].ID}))
	u.refuse("InvalidInstanceId.NotFound", "CreateSnapshotGroup", group("i-1", nil))
	if n := len(f.Snapshots(here)); n != 0 {
		t.Errorf("%d snapshots after refusals, want none", n)
	}
	id := u.must("CreateSnapshotGroup", group(good, args{"ExcludeDiskId.1": disks[2].ID}))["SnapshotGroupId"]
	groups := list(u.must("DescribeSnapshotGroups", args{"RegionId": here, "SnapshotGroupId.1": id}), "SnapshotGroups", "SnapshotGroup")
	if len(groups) != 1 || groups[0]["Name"] != "nightly" || groups[0]["Status"] != "accomplished" || len(list(groups[0], "Snapshots", "Snapshot")) != 2 || len(list(groups[0], "Tags", "Tag")) != 1 {
		t.Errorf("DescribeSnapshotGroups: got %v, want the group with its name, its tag and two members", groups)
	}
	for _, s := range f.Snapshots(here) {
		if s.Name != "" || len(s.Tags) != 0 {
			t.Errorf("a member is %+v, want it without the group's name and tags", s)
		}
	}
	u.must("ModifySnapshotAttribute", args{"SnapshotId": f.Snapshots(here)[0].ID, "SnapshotName": "part-1"})
	if got := f.Snapshots(here)[0].Name; got != "part-1" {
		t.Errorf("a member's name is %q, want part-1", got)
	}
	u.must("DeleteSnapshotGroup", args{"RegionId": here, "SnapshotGroupId": id})
	if n := len(f.Snapshots(here)); n != 0 {
		t.Errorf("%d snapshots after their group was deleted, want none", n)
	}
}

// TestImageRules: Available before usable, on snapshots that it holds, and held itself by what stands on it.
func TestImageRules(t *testing.T) {
	clk := newClock()
	f := byHand(Options{ImageTime: time.Minute, UsableTime: time.Minute, MaxImages: 2}, clk)
	u := as(t, f)
	source := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
	id, _ := u.must("CreateImage", args{"RegionId": here, "InstanceId": source})["ImageId"].(string)
	look := func() map[string]any {
		return list(u.must("DescribeImages", args{"RegionId": here, "ImageId": id, "Status": "Creating,Available"}), "Images", "Image")[0]
	}
	run := args{"RegionId": here, "ImageId": id, "InstanceType": "ecs.g7.large", "VSwitchId": "vsw-1", "SecurityGroupId": "sg-1", "InstanceName": "web-2"}
	if got := look(); got["Status"] != "Creating" || got["Usable"] != false {
		t.Errorf("a new image: got %v, want Creating", got)
	}
	u.refuse("InvalidStatus.ImageIsCreating", "DeleteImage", args{"RegionId": here, "ImageId": id})
	clk.add(time.Minute)
	if got := look(); got["Status"] != "Available" || got["Usable"] != false {
		t.Errorf("a minute later: got %v, want Available and not usable", got)
	}
	u.refuse("IncorrectImageStatus", "RunInstances", run)
	clk.add(time.Minute)
	if got := look(); got["Usable"] != true {
		t.Errorf("two minutes later: got %v, want it usable", got)
	}
	for _, s := range f.Snapshots(here) {
		u.refuse("SnapshotCreatedImage", "DeleteSnapshot", args{"SnapshotId": s.ID, "Force": true})
	}
	made := list(map[string]any{"S": u.must("RunInstances", run)["InstanceIdSets"]}, "S", "InstanceIdSet")
	if len(made) != 1 || len(f.Instances(here)) != 2 || len(f.Disks(here)) != 4 {
		t.Errorf("RunInstances: got %v, want one instance with two disks", made)
	}
	u.refuse("ImageUsingByInstance", "DeleteImage", args{"RegionId": here, "ImageId": id})
	u.must("ModifyImageSharePermission", args{"RegionId": here, "ImageId": id, "AddAccount.1": "5555666677778888"})
	u.refuse("ImageUseShared", "DeleteImage", args{"RegionId": here, "ImageId": id, "Force": true})
	shares := u.must("DescribeImageSharePermission", args{"RegionId": here, "ImageId": id})
	if got := list(shares, "Accounts", "Account"); len(got) != 1 || got[0]["AliyunId"] != "5555666677778888" {
		t.Errorf("DescribeImageSharePermission: got %v, want the one account", got)
	}
	u.must("ModifyImageSharePermission", args{"RegionId": here, "ImageId": id, "RemoveAccount.1": "5555666677778888"})
	u.must("CreateImage", args{"RegionId": here, "SnapshotId": f.Snapshots(here)[0].ID})
	u.refuse("QuotaExceed.Image", "CreateImage", args{"RegionId": here, "InstanceId": source})
	u.must("DeleteImage", args{"RegionId": here, "ImageId": id, "Force": true})
	u.refuse("InvalidImageId.NotFound", "DeleteImage", args{"RegionId": here, "ImageId": id})
	u.refuse("InvalidOperation.NotOwnImage", "DeleteImage", args{"RegionId": here, "ImageId": BaseImage})
	if n := len(f.Snapshots(here)); n != 2 {
		t.Errorf("%d snapshots after the deletion of their image, want both", n)
	}
	for want, change := range map[string]args{
		"InvalidImageId.NotFound": {"ImageId": "m-1"}, "MissingParameter": {"SecurityGroupId": ""}, "InvalidVSwitchId.NotFound": {"VSwitchId": "vsw-missing"},
		"InvalidInstanceType.NotFound": {"InstanceType": "t3.micro"}, "InvalidZoneId.NotFound": {"ZoneId": "cn-beijing-a"},
	} {
		a := args{"ImageId": BaseImage}
		for k, v := range run {
			if _, ok := a[k]; !ok {
				a[k] = v
			}
		}
		for k, v := range change {
			a[k] = v
		}
		u.refuse(want, "RunInstances", a)
	}
}

// TestCopies: five at a time, the next ones wait; a copy is cancelled and not deleted while it is under way.
func TestCopies(t *testing.T) {
	clk := newClock()
	f := byHand(Options{ImageTime: time.Minute, KMSKeys: map[string][]string{there: {"k"}}}, clk)
	u := as(t, f)
	src := f.AddImage(here, Image{Meta: Meta{Tags: map[string]string{"a": "b"}}})
	a := func(more args) args {
		out := args{"RegionId": here, "ImageId": src, "DestinationRegionId": there}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	var ids []string
	for range 7 {
		ids = append(ids, u.must("CopyImage", a(nil))["ImageId"].(string))
	}
	count := func(state string) int {
		return len(list(u.must("DescribeImages", args{"RegionId": there, "ImageOwnerAlias": "self", "Status": state}), "Images", "Image"))
	}
	if c, w := count("Creating"), count("Waiting"); c != 5 || w != 2 {
		t.Errorf("seven copies: %d are made and %d wait, want 5 and 2", c, w)
	}
	u.refuse("OperationDenied.ImageCopying", "DeleteImage", args{"RegionId": there, "ImageId": ids[0]})
	u.must("CancelCopyImage", args{"RegionId": there, "ImageId": ids[6]})
	clk.add(time.Minute)
	if n, c := count("Available"), count("Creating"); n != 5 || c != 1 {
		t.Errorf("a minute later %d are Available and %d are made, want 5 and 1", n, c)
	}
	clk.add(time.Minute)
	if n := count("Available"); n != 6 {
		t.Errorf("another minute later %d are Available, want 6", n)
	}
	u.refuse("IncorrectImageStatus", "CancelCopyImage", args{"RegionId": there, "ImageId": ids[0]})
	if m := f.Images(there)[0]; len(m.Tags) != 0 || m.Mappings[0].SnapshotID == f.Images(here)[0].Mappings[0].SnapshotID || len(f.Snapshots(there)) != 6 {
		t.Errorf("a copy is %+v, want it without tags, on a snapshot of its own", m)
	}
	u.refuse("IncorrectDestinationRegion", "CopyImage", a(args{"DestinationRegionId": here}))
	u.refuse("InvalidDestinationRegionId", "CopyImage", a(args{"DestinationRegionId": "cn-nowhere"}))
	u.refuse("InvalidParameter.KMSKeyId.NotFound", "CopyImage", a(args{"Encrypted": true, "KMSKeyId": "other"}))
	u.must("CopyImage", a(args{"Encrypted": true, "KMSKeyId": "k"}))
	clk.add(time.Minute)
	late := u.must("CreateImage", args{"RegionId": here, "InstanceId": f.AddInstance(here, NewInstance{})})["ImageId"]
	u.refuse("IncorrectImageStatus", "CopyImage", a(args{"ImageId": late}))
}

// TestLocks: nobody deletes a locked snapshot, and after the cool-off nobody unlocks it.
func TestLocks(t *testing.T) {
	clk := newClock()
	f := byHand(Options{}, clk)
	u := as(t, f)
	id := f.AddSnapshot(here, Snapshot{})
	a := func(more args) args {
		out := args{"RegionId": here, "SnapshotId": id}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	lock := a(args{"LockMode": "compliance", "LockDuration": 2, "CoolOffPeriod": 1})
	if got := u.must("LockSnapshot", lock)["LockStatus"]; got != "compliance-cooloff" {
		t.Errorf("LockSnapshot: got %v, want compliance-cooloff", got)
	}
	u.refuse("InvalidOperation.SnapshotLocked", "DeleteSnapshot", args{"SnapshotId": id})
	u.must("UnlockSnapshot", a(nil))
	u.must("LockSnapshot", lock)
	clk.add(time.Hour)
	u.refuse("InvalidOperation.CoolOffPeriodExpired", "UnlockSnapshot", a(nil))
	u.refuse("InvalidOperation.CoolOffPeriodExpired", "LockSnapshot", a(args{"LockMode": "compliance", "LockDuration": 1}))
	u.must("LockSnapshot", a(args{"LockMode": "compliance", "LockDuration": 3}))
	got, _ := u.must("DescribeLockedSnapshots", args{"RegionId": here, "SnapshotIds.1": id})["LockedSnapshotsInfo"].([]any)
	if len(got) != 1 || got[0].(map[string]any)["LockStatus"] != "compliance" {
		t.Errorf("DescribeLockedSnapshots: got %v, want it locked", got)
	}
	clk.add(73 * time.Hour)
	u.must("DeleteSnapshot", args{"SnapshotId": id})
	if n := len(f.Snapshots(here)); n != 0 {
		t.Errorf("%d snapshots after the lock has ended and it was deleted, want none", n)
	}
}

// TestOperation: instances stop, start and end by the rules.
func TestOperation(t *testing.T) {
	clk := newClock()
	f := byHand(Options{InstanceTime: time.Minute}, clk)
	u := as(t, f)
	id := f.AddInstance(here, NewInstance{Disks: make([]NewDisk, 2)})
	f.EditDisk(here, f.Disks(here)[1].ID, func(d *Disk) { d.Keep = true })
	a := args{"InstanceId": id}
	status := func() any {
		return list(u.must("DescribeInstances", args{"RegionId": here}), "Instances", "Instance")[0]["Status"]
	}
	u.refuse("IncorrectInstanceStatus", "StartInstance", a)
	u.must("StopInstance", args{"InstanceId": id, "StoppedMode": "StopCharging"})
	if got := status(); got != "Stopping" {
		t.Errorf("right after StopInstance: %v, want Stopping", got)
	}
	u.refuse("IncorrectInstanceStatus", "StopInstance", a)
	clk.add(time.Minute)
	if got := status(); got != "Stopped" {
		t.Errorf("a minute after StopInstance: %v, want Stopped", got)
	}
	u.must("StartInstance", a)
	clk.add(time.Minute)
	u.refuse("IncorrectInstanceStatus", "DeleteInstance", a)
	u.must("ModifyInstanceAttribute", args{"InstanceId": id, "DeletionProtection": true})
	u.refuse("InvalidOperation.DeletionProtection", "DeleteInstance", args{"InstanceId": id, "Force": true})
	u.must("ModifyInstanceAttribute", args{"InstanceId": id, "DeletionProtection": false})
	u.must("DeleteInstance", args{"InstanceId": id, "Force": true})
	u.refuse("InvalidInstanceId.NotFound", "DeleteInstance", a)
	if d := f.Disks(here); len(d) != 1 || d[0].State(clk.Now()) != "Available" {
		t.Errorf("disks after the end of their instance: %+v, want the one that stays", d)
	}
}

// TestAccounts: at one address accounts have nothing in common but the roles that they lend and the images that they share.
func TestAccounts(t *testing.T) {
	one := New(Options{Keys: map[string]string{"LTAIONE": "s1"}, Seed: 1})
	two := New(Options{Account: "5555666677778888", Keys: map[string]string{"LTAITWO": "s2"}, Seed: 2, Roles: map[string]string{"acs:ram::5555666677778888:role/in": "x"}})
	rt := Transport(one, two)
	first, second := user{t: t, rt: rt, key: "LTAIONE", secret: "s1"}, user{t: t, rt: rt, key: "LTAITWO", secret: "s2"}
	of := map[*Fake]string{one: one.AddInstance(here, NewInstance{}), two: two.AddInstance(here, NewInstance{})}
	sees := func(who string, u user, want string) {
		t.Helper()
		if got := list(u.must("DescribeInstances", args{"RegionId": here}), "Instances", "Instance"); len(got) != 1 || got[0]["InstanceId"] != want {
			t.Errorf("DescribeInstances as %s: got %v, want %s alone", who, got, want)
		}
	}
	sees("one", first, of[one])
	sees("two", second, of[two])
	mixed := second
	mixed.secret = "s1"
	mixed.refuse("SignatureDoesNotMatch", "DescribeInstances", args{"RegionId": here})
	assume := args{"RoleArn": "acs:ram::5555666677778888:role/in", "RoleSessionName": "me", "ExternalId": "x"}
	lent, _ := first.must("AssumeRole", assume)["Credentials"].(map[string]any)
	guest := user{t: t, rt: rt, key: lent["AccessKeyId"].(string), secret: lent["AccessKeySecret"].(string), token: lent["SecurityToken"].(string)}
	sees("one in a role of two", guest, of[two])
	if got := guest.must("GetCallerIdentity", nil)["AccountId"]; got != "5555666677778888" {
		t.Errorf("GetCallerIdentity in a role of two: got %v", got)
	}
	open := first.must("AssumeRoleWithOIDC", args{"RoleArn": "acs:ram::5555666677778888:role/in", "RoleSessionName": "me", "OIDCProviderArn": "p", "OIDCToken": "t"})
	if open["Credentials"] == nil {
		t.Errorf("AssumeRoleWithOIDC: got %v, want credentials", open)
	}
	bare := guest
	bare.token = ""
	bare.refuse("MissingSecurityToken", "DescribeInstances", args{"RegionId": here})
	assume["ExternalId"] = "y"
	first.refuse("NoPermission", "AssumeRole", assume)
	first.refuse("EntityNotExist.Role", "AssumeRole", args{"RoleArn": "acs:ram::5555666677778888:role/out", "RoleSessionName": "me"})
	first.refuse("InvalidParameter.RoleArn", "AssumeRole", args{"RoleArn": "arn:aws:iam::1:role/x", "RoleSessionName": "me"})

	image := one.AddImage(here, Image{Meta: Meta{Tags: map[string]string{"a": "b"}}})
	cp := args{"RegionId": here, "ImageId": image}
	second.refuse("InvalidImageId.NotFound", "CopyImage", cp)
	first.must("ModifyImageSharePermission", args{"RegionId": here, "ImageId": image, "AddAccount.1": "5555666677778888"})
	others := list(second.must("DescribeImages", args{"RegionId": here, "ImageOwnerAlias": "others"}), "Images", "Image")
	if len(others) != 1 || others[0]["ImageId"] != image || len(list(others[0], "Tags", "Tag")) != 0 {
		t.Errorf("images of others: got %v, want the shared one without its tags", others)
	}
	if own := list(second.must("DescribeImages", args{"RegionId": here, "ImageOwnerAlias": "self"}), "Images", "Image"); len(own) != 0 {
		t.Errorf("images of two's own: got %v, want none", own)
	}
	second.refuse("RegionNotSupportCopy", "CopyImage", args{"RegionId": here, "ImageId": image, "DestinationRegionId": there})
	second.must("CopyImage", cp)
	second.must("RunInstances", args{"RegionId": here, "ImageId": image, "InstanceType": "ecs.g7.large", "VSwitchId": "vsw-1", "SecurityGroupId": "sg-1"})
	second.refuse("InvalidImageId.NotFound", "DeleteImage", cp)
	for why, o := range map[string]Options{
		"the number": {Account: "5555666677778888", Keys: map[string]string{"LTAINEW": "s"}, Seed: 3},
		"the seed":   {Account: "9999000099990000", Keys: map[string]string{"LTAINEW": "s"}, Seed: 2},
		"the key":    {Account: "9999000099990000", Keys: map[string]string{"LTAITWO": "s"}, Seed: 3},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Accounts with %s of another: want a panic", why)
				}
			}()
			Accounts(New(Options{Account: "3333444433334444", Keys: map[string]string{"LTAIX": "s"}, Seed: 9}), two, New(o))
		}()
	}
}

// TestLag: what is new is not found for a while.
func TestLag(t *testing.T) {
	clk := newClock()
	f := byHand(Options{Lag: time.Minute}, clk)
	u := as(t, f)
	f.AddInstance(here, NewInstance{})
	id := u.must("CreateSnapshot", args{"DiskId": f.Disks(here)[0].ID})["SnapshotId"]
	see := func() int {
		return len(list(u.must("DescribeSnapshots", args{"RegionId": here, "SnapshotIds": `["` + id.(string) + `"]`}), "Snapshots", "Snapshot"))
	}
	if n := see(); n != 0 {
		t.Errorf("right after it was made: %d are listed, want none yet", n)
	}
	clk.add(time.Minute)
	if n := see(); n != 1 {
		t.Errorf("a minute later: %d are listed, want it", n)
	}
}
