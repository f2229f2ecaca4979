package faketencent

import (
	"cmp"
	"slices"
	"time"
)

const (
	privateImage = "PRIVATE_IMAGE"
	publicImage  = "PUBLIC_IMAGE"
	sharedImage  = "SHARED_IMAGE"
)

// Image is a CVM image.
type Image struct {
	Meta
	Name           string               `json:"name"`
	Description    string               `json:"description,omitempty"`
	Type           string               `json:"type"` // PRIVATE_IMAGE or PUBLIC_IMAGE
	GiB            int                  `json:"gib"`
	Making         string               `json:"making,omitempty"` // the state until DoneAt: CREATING when empty
	DoneAt         time.Time            `json:"done-at"`          // zero: never
	End            string               `json:"end,omitempty"`    // NORMAL when empty
	Snapshots      []ImageDisk          `json:"snapshots,omitempty"`
	Shared         map[string]time.Time `json:"shared,omitempty"` // with which accounts, since when
	Deprecated     bool                 `json:"deprecated,omitempty"`
	Family         string               `json:"family,omitempty"`
	Encrypted      bool                 `json:"encrypted,omitempty"`
	Creator        string               `json:"creator,omitempty"`
	SourceInstance string               `json:"source-instance,omitempty"`
	PoweredOff     bool                 `json:"powered-off,omitempty"` // its instance was switched off for it
}

// ImageDisk is a disk as an image has it.
type ImageDisk struct {
	SnapshotID string `json:"snapshot"`
	Usage      string `json:"usage"`
	GiB        int    `json:"gib"`
}

// State is the image's state at a time.
func (m *Image) State(now time.Time) string {
	if m.DoneAt.IsZero() || now.Before(m.DoneAt) {
		return cmp.Or(m.Making, "CREATING")
	}
	return cmp.Or(m.End, "NORMAL")
}

// seen are the images that the caller may use in the region: its own, the public ones, and those that others share.
func (c *call) seen() []*Image {
	rows := slices.Clone(c.region.Images.Rows)
	for _, a := range c.f.state.Accounts {
		if a == c.acct {
			continue
		}
		for _, m := range a.Regions[c.region.Name].Images.Rows {
			if _, ok := m.Shared[c.who.uin]; ok {
				rows = append(rows, m)
			}
		}
	}
	slices.SortFunc(rows, func(a, b *Image) int { return cmp.Compare(a.Seq, b.Seq) })
	return rows
}

// kind is an image's type as the caller sees it.
func (c *call) kind(m *Image) string {
	if own, ok := c.region.Images.find(m.ID); ok && own == m {
		return m.Type
	}
	return sharedImage
}

// usable finds an image that an instance can be made of.
func (c *call) usable(id string) (*Image, error) {
	if err := formed("img", id); err != nil {
		return nil, err
	}
	for _, m := range c.seen() {
		if m.ID != id || c.now.Before(m.Visible) {
			continue
		}
		if state := m.State(c.now); state != "NORMAL" {
			return nil, fail("InvalidParameterValue.InvalidImageState", "The image %s is in the state %s.", id, state)
		}
		return m, nil
	}
	return nil, fail(errNotFound["img"], "The image %q does not exist.", id)
}

type describeImagesIn struct {
	ImageIds      []string
	Filters       []Filter
	Offset, Limit *int
	InstanceType  string
}

func describeImages(c *call, in describeImagesIn) (obj, error) {
	l := listing{kind: "img", ids: in.ImageIds, filters: in.Filters, offset: in.Offset, limit: in.Limit}
	rows, total, err := page(c, c.seen(), l, func(m *Image, name string) ([]string, bool) {
		switch name {
		case "image-id":
			return []string{m.ID}, true
		case "image-name":
			return []string{m.Name}, true
		case "image-type":
			return []string{c.kind(m)}, true
		case "platform":
			return []string{"TencentOS"}, true
		}
		return nil, false
	}, func(*Image) bool { return true })
	if err != nil {
		return nil, err
	}
	set := []obj{}
	for _, m := range rows {
		disks := []obj{}
		for _, d := range rootLast(m.Snapshots) {
			disks = append(disks, obj{"SnapshotId": d.SnapshotID, "DiskUsage": d.Usage, "DiskSize": d.GiB})
		}
		tags := m.Tags
		if c.kind(m) != privateImage {
			disks, tags = []obj{}, nil
		}
		set = append(set, obj{
			"ImageId": m.ID, "ImageName": m.Name, "ImageDescription": m.Description, "ImageType": c.kind(m), "ImageState": m.State(c.now),
			"ImageSize": m.GiB, "CreatedTime": m.Created.UTC().Format(time.RFC3339), "ImageCreator": m.Creator, "ImageDeprecated": m.Deprecated,
			"ImageFamily": m.Family, "SnapshotSet": disks, "Tags": tagList(tags), "SyncPercent": nil, "Architecture": "x86_64",
			"Platform": "TencentOS", "OsName": "TencentOS Server", "ImageSource": "CREATE_IMAGE",
		})
	}
	return obj{"TotalCount": total, "ImageSet": set}, nil
}

// rootLast shows an image's disks so that nobody leans on the system disk being the first.
func rootLast(disks []ImageDisk) []ImageDisk {
	out := slices.Clone(disks)
	slices.SortStableFunc(out, func(a, b ImageDisk) int { return cmp.Compare(a.Usage, b.Usage) })
	return out
}

// mayName refuses a name that another image of the region has, and one image too many.
func (c *call) mayName(r *region, name string) error {
	if name == "" {
		return missing("ImageName")
	}
	if len([]rune(name)) > nameLimit {
		return fail("InvalidParameter.ValueTooLarge", "The name of the image is longer than %d characters.", nameLimit)
	}
	own := 0
	for _, m := range r.Images.Rows {
		if m.Type != privateImage {
			continue
		}
		if own++; m.Name == name {
			return fail("InvalidImageName.Duplicate", "The image name %q is used by %s.", name, m.ID)
		}
	}
	if own >= c.f.opt.MaxImages {
		return fail("ImageQuotaLimitExceeded", "The quota of %d images is reached.", c.f.opt.MaxImages)
	}
	return nil
}

type createImageIn struct {
	ImageName, InstanceId, ImageDescription, ForcePoweroff, Sysprep, ImageFamily string
	DataDiskIds, SnapshotIds                                                     []string
	TagSpecification                                                             []TagSpecification
	DryRun                                                                       bool
}

func createImage(c *call, in createImageIn) (obj, error) {
	if (in.InstanceId == "") == (len(in.SnapshotIds) == 0) {
		return nil, fail("InvalidParameter.SpecifyOneParameter", "Either InstanceId or SnapshotIds must be specified.")
	}
	if len([]rune(in.ImageDescription)) > 256 {
		return nil, fail("InvalidParameterValue.TooLarge", "The description is longer than 256 characters.")
	}
	for _, v := range []string{in.ForcePoweroff, in.Sysprep} {
		if !slices.Contains([]string{"", "true", "false", "TRUE", "FALSE"}, v) {
			return nil, fail("InvalidParameterValue", "%q is neither true nor false.", v)
		}
	}
	tags, err := specified(in.TagSpecification, "image")
	if err != nil {
		return nil, err
	}
	if err := c.mayName(c.region, in.ImageName); err != nil {
		return nil, err
	}
	m := &Image{
		Name: in.ImageName, Description: in.ImageDescription, Family: in.ImageFamily, Type: privateImage, Creator: c.who.uin, SourceInstance: in.InstanceId,
	}
	var disks []*Disk
	if in.InstanceId != "" {
		i, d, err := c.imaged(in)
		if err != nil {
			return nil, err
		}
		disks = d
		m.PoweredOff = (in.ForcePoweroff == "true" || in.ForcePoweroff == "TRUE") && i.State(c.now) == "RUNNING"
	} else if err := c.ofSnapshots(m, in.SnapshotIds); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, nil
	}
	if m.PoweredOff {
		i, _ := c.region.Instances.find(in.InstanceId)
		i.change(c.now, "CreateImage", "STOPPED", "RUNNING", c.f.opt.ImageTime)
	}
	c.newImage(c.region, m, tags, cmp.Or(in.InstanceId, in.ImageName))
	for _, d := range disks {
		s := c.snapshotOf(d, in.ImageName+"_"+d.ID, d.Usage, nil, c.f.opt.ImageTime) // they carry no tags
		m.Snapshots = append(m.Snapshots, ImageDisk{s.ID, d.Usage, d.GiB})
		if d.Usage == systemDisk {
			m.GiB = d.GiB
		}
	}
	m.GiB = cmp.Or(m.GiB, 50)
	return obj{"ImageId": m.ID}, nil
}

// imaged finds the instance of an image, and the disks that the image is to hold: the system disk, and the data disks that
// are named.
func (c *call) imaged(in createImageIn) (*Instance, []*Disk, error) {
	i, err := lookup(c, &c.region.Instances, "ins", in.InstanceId)
	if err != nil {
		return nil, nil, err
	}
	switch state := i.State(c.now); {
	case state != "RUNNING" && state != "STOPPED":
		return nil, nil, fail("UnsupportedOperation.InstanceState"+cmp.Or(stateWords[state], "Unknown"), "The instance %s is in the state %s.", i.ID, state)
	case i.StopMode == "STOP_CHARGING":
		return nil, nil, fail("UnsupportedOperation.StoppedModeStopCharging", "The instance %s was stopped without being charged for.", i.ID)
	}
	var disks []*Disk
	for n, id := range i.Disks {
		d, ok := c.region.Disks.find(id)
		if ok && (d.Usage == systemDisk && n == 0 && !i.LocalRoot || slices.Contains(in.DataDiskIds, id)) {
			disks = append(disks, d)
		}
	}
	for _, id := range in.DataDiskIds {
		switch n := slices.Index(i.Disks, id); {
		case n < 0:
			return nil, nil, fail("InvalidParameter.DataDiskNotBelongSpecifiedInstance", "The disk %s is not one of the instance %s.", id, i.ID)
		case n == 0 && !i.LocalRoot:
			return nil, nil, fail("InvalidParameter.DataDiskIdContainsRootDisk", "The disk %s is the system disk.", id)
		}
	}
	for _, d := range disks {
		if err := c.maySnapshot(d); err != nil {
			return nil, nil, err
		}
	}
	return i, disks, c.roomForSnapshots(len(disks))
}

func (c *call) ofSnapshots(m *Image, ids []string) error {
	for _, id := range ids {
		s, err := lookup(c, &c.region.Snapshots, "snap", id)
		if err != nil {
			return fail("InvalidParameter.SnapshotNotFound", "The snapshot %s does not exist.", id)
		}
		if s.State(c.now) != "NORMAL" {
			return fail("ResourceUnavailable.SnapshotCreating", "The snapshot %s is being created.", id)
		}
		if s.Usage == systemDisk && m.GiB != 0 {
			return fail("InvalidParameter.DuplicateSystemSnapshots", "More than one snapshot is of a system disk.")
		}
		if s.Usage == systemDisk {
			m.GiB = s.GiB
		}
		m.Snapshots = append(m.Snapshots, ImageDisk{s.ID, s.Usage, s.GiB})
	}
	if m.GiB == 0 {
		return fail("InvalidParameter.SystemSnapshotNotFound", "None of the snapshots is of a system disk.")
	}
	return nil
}

// newImage adds an image that is being made.
func (c *call) newImage(r *region, m *Image, tags map[string]string, fateOf string) {
	m.Meta = c.new("img", tags)
	m.DoneAt = c.now.Add(c.f.opt.ImageTime).UTC()
	switch c.fate("image", fateOf) {
	case Fails:
		m.End = "CREATEFAILED"
	case Hangs:
		m.DoneAt = time.Time{}
	}
	r.Images.add(m)
}

type deleteImagesIn struct {
	ImageIds                 []string
	DeleteBindedSnap, DryRun bool
}

func deleteImages(c *call, in deleteImagesIn) (obj, error) {
	if len(in.ImageIds) == 0 {
		return nil, missing("ImageIds")
	}
	var list []*Image
	for _, id := range in.ImageIds {
		m, err := c.mine(id)
		if err != nil {
			return nil, err
		}
		if state := m.State(c.now); state == "CREATING" || state == "SYNCING" || state == "IMPORTING" {
			return nil, fail("InvalidImageId.IncorrectState", "The image %s is in the state %s.", id, state)
		}
		if len(m.Shared) > 0 {
			return nil, fail("InvalidImageId.InShared", "The image %s is shared with %d accounts.", id, len(m.Shared))
		}
		list = append(list, m)
	}
	if in.DryRun {
		return nil, nil
	}
	for _, m := range list {
		c.region.Images.remove(m.ID)
		for _, d := range m.Snapshots {
			if in.DeleteBindedSnap && len(c.region.standing(d.SnapshotID)) == 0 {
				c.region.Snapshots.remove(d.SnapshotID)
			}
		}
	}
	return nil, nil
}

type modifyImageIn struct {
	ImageId, ImageName, ImageDescription, ImageFamily string
	ImageDeprecated                                   *bool
}

func modifyImageAttribute(c *call, in modifyImageIn) (obj, error) {
	m, err := c.mine(in.ImageId)
	if err != nil {
		return nil, err
	}
	if in.ImageName != "" && in.ImageName != m.Name {
		if err := c.mayName(c.region, in.ImageName); err != nil {
			return nil, err
		}
		m.Name = in.ImageName
	}
	m.Description, m.Family = cmp.Or(in.ImageDescription, m.Description), cmp.Or(in.ImageFamily, m.Family)
	if in.ImageDeprecated != nil {
		m.Deprecated = *in.ImageDeprecated
	}
	return nil, nil
}
