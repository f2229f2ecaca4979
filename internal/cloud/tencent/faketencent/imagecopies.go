package faketencent

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

type syncImagesIn struct {
	ImageIds, DestinationRegions      []string
	ImageName, KmsKeyId               string
	DryRun, ImageSetRequired, Encrypt bool
}

// syncImages copies one image to other regions. The copies carry no tags.
func syncImages(c *call, in syncImagesIn) (obj, error) {
	if len(in.ImageIds) != 1 {
		return nil, fail("InvalidParameterValue.LimitExceeded", "Exactly one image can be copied at once.")
	}
	if len(in.DestinationRegions) == 0 {
		return nil, missing("DestinationRegions")
	}
	m, err := c.usable(in.ImageIds[0])
	if err != nil {
		if e, ok := asAPI(err); ok && e.code == "InvalidParameterValue.InvalidImageState" {
			return nil, fail("InvalidImageId.IncorrectState", "%s", e.message)
		}
		return nil, err
	}
	kind := c.kind(m)
	if kind == publicImage {
		return nil, fail("InvalidParameterValue.InvalidImageId", "The public image %s cannot be copied.", m.ID)
	}
	if m.Encrypted {
		return nil, fail("UnsupportedOperation.EncryptedImagesNotSupported", "The image %s is encrypted and cannot be copied.", m.ID)
	}
	name := cmp.Or(in.ImageName, m.Name)
	for _, to := range in.DestinationRegions {
		r := c.acct.Regions[to]
		if r == nil {
			return nil, fail("InvalidRegion.NotFound", "The region %q does not exist.", to)
		}
		if here := r == c.region; here != (kind == sharedImage || in.Encrypt) {
			return nil, fail("InvalidParameterValue.InvalidRegion", "The image %s cannot be copied to %s.", m.ID, to)
		}
		if err := c.mayName(r, name); err != nil {
			return nil, err
		}
		if err := roomIn(c, r, len(m.Snapshots)); err != nil {
			return nil, err
		}
	}
	if in.DryRun {
		return nil, nil
	}
	set := []obj{}
	for _, to := range in.DestinationRegions {
		r := c.acct.Regions[to]
		dup := &Image{
			Name: name, Description: m.Description, Type: privateImage, GiB: m.GiB, Making: "SYNCING", Creator: c.who.uin, Encrypted: in.Encrypt,
		}
		c.newImage(r, dup, nil, m.ID)
		for _, d := range m.Snapshots {
			s := &Snapshot{Meta: c.new("snap", nil), Name: name, GiB: d.GiB, Usage: d.Usage, Zone: to + "-1", DoneAt: dup.DoneAt, Remote: true, Encrypted: in.Encrypt}
			r.Snapshots.add(s)
			dup.Snapshots = append(dup.Snapshots, ImageDisk{s.ID, d.Usage, d.GiB})
		}
		set = append(set, obj{"ImageId": dup.ID, "Region": to})
	}
	if !in.ImageSetRequired {
		return nil, nil
	}
	return obj{"ImageSet": set}, nil
}

type modifyImageShareIn struct {
	ImageId, Permission string
	AccountIds          []string
}

const mostShared = 500

func modifyImageShare(c *call, in modifyImageShareIn) (obj, error) {
	if len(in.AccountIds) == 0 {
		return nil, missing("AccountIds")
	}
	m, err := c.mine(in.ImageId)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Permission != "SHARE" && in.Permission != "CANCEL":
		return nil, fail("InvalidPermission", "The Permission %q is neither SHARE nor CANCEL.", in.Permission)
	case m.State(c.now) != "NORMAL":
		return nil, fail("InvalidParameterValue.InvalidImageState", "The image %s is in the state %s.", m.ID, m.State(c.now))
	case m.Encrypted:
		return nil, fail("UnsupportedOperation.EncryptedImagesNotSupported", "The image %s is encrypted and cannot be shared.", m.ID)
	}
	shared := maps.Clone(m.Shared)
	if shared == nil {
		shared = map[string]time.Time{}
	}
	for _, uin := range in.AccountIds {
		switch _, there := shared[uin]; {
		case uin == c.who.uin:
			return nil, fail("FailedOperation.AccountIsYourSelf", "The image cannot be shared with its own account.")
		case c.f.state.Accounts[uin] == nil:
			return nil, fail("InvalidAccountId.NotFound", "The account %s does not exist.", uin)
		case in.Permission == "CANCEL":
			delete(shared, uin)
		case there:
			return nil, fail("FailedOperation.AccountAlreadyExists", "The image is shared with %s already.", uin)
		default:
			shared[uin] = c.now.UTC()
		}
	}
	if len(shared) > mostShared {
		return nil, fail("OverQuota", "An image is shared with at most %d accounts.", mostShared)
	}
	m.Shared = shared
	return nil, nil
}

type describeImageShareIn struct{ ImageId string }

func describeImageShare(c *call, in describeImageShareIn) (obj, error) {
	m, err := c.mine(in.ImageId)
	if err != nil {
		return nil, err
	}
	set := []obj{}
	for _, uin := range slices.Sorted(maps.Keys(m.Shared)) {
		set = append(set, obj{"AccountId": uin, "CreatedTime": m.Shared[uin].Format(time.RFC3339)})
	}
	return obj{"SharePermissionSet": set}, nil
}

func describeImageQuota(c *call, _ empty) (obj, error) {
	return obj{"ImageNumQuota": c.f.opt.MaxImages}, nil
}
