package fakealibaba

import (
	"net/http"
	"slices"
	"time"
)

const (
	copiesAtOnce = 5 // image copies into one region; more wait
	maxShares    = 50
)

// copyImage is called in the region of the source; the token is that region's.
func copyImage(p *params) func(*call) error {
	id, to := p.must("ImageId"), p.get("DestinationRegionId")
	name, description := p.name("DestinationImageName", "Image", "aliyun", "acs:"), p.description("DestinationDescription")
	encrypted, key := p.bool("Encrypted"), p.get("KMSKeyId")
	t, tags := p.token(), p.tags()
	return func(c *call) error {
		ids, err := c.used("CopyImage", t)
		if err != nil {
			return err
		}
		if ids == nil {
			m, foreign := c.shared[id]
			if !foreign {
				if m, err = c.own(id); err != nil {
					return err
				}
			}
			if state := m.State(c.now); state != "Available" {
				return fail(http.StatusForbidden, "IncorrectImageStatus", "The specified image is %s, not Available.", state)
			}
			there := c.region
			switch {
			case to == "" || to == c.region.Name:
				if !foreign && !encrypted {
					return fail(http.StatusBadRequest, "IncorrectDestinationRegion", "The destination region is that of the source.")
				}
			case foreign:
				return fail(http.StatusForbidden, "RegionNotSupportCopy", "A shared image is copied inside its region only.")
			default:
				if there, err = c.elsewhere(to); err != nil {
					return err
				}
			}
			if err := c.mayUse(there, encrypted, key); err != nil {
				return err
			}
			if err := c.mayName(there, name); err != nil {
				return err
			}
			ids = []string{c.copyTo(there, m, c.new("m", name, description, tags), encrypted).ID}
			c.remember("CopyImage", t, ids...)
		}
		c.out["ImageId"] = ids[0]
		return nil
	}
}

// mayUse checks the key that something in a region is to be encrypted with.
func (c *call) mayUse(there *region, encrypted bool, key string) error {
	switch {
	case key == "":
		return nil
	case !encrypted:
		return fail(http.StatusBadRequest, "InvalidParameter", "Specified parameter KMSKeyId is not valid without Encrypted.")
	case c.f.opt.KMSKeys != nil && !slices.Contains(c.f.opt.KMSKeys[there.Name], key):
		return fail(http.StatusNotFound, "InvalidParameter.KMSKeyId.NotFound", "The specified KMSKeyId does not exist.")
	}
	return nil
}

// copyTo begins a copy, or has it wait for its turn, with snapshots of its own.
func (c *call) copyTo(there *region, m *Image, meta Meta, encrypted bool) *Image {
	start := c.now
	var ends []time.Time
	for _, other := range there.Images.Rows {
		if state := other.State(c.now); other.SourceImage != "" && !other.DoneAt.IsZero() && (state == "Creating" || state == "Waiting") {
			ends = append(ends, other.DoneAt)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	if n := len(ends); n >= copiesAtOnce {
		start = ends[n-copiesAtOnce]
	}
	dup := &Image{Meta: meta, SourceImage: m.ID, SourceRegion: c.region.Name}
	if dup.Name == "" {
		dup.Name = dup.ID
	}
	c.begin(dup, start, m.ID)
	for _, d := range m.Mappings {
		disk := ""
		if src, ok := c.region.Snapshots.find(d.SnapshotID); ok {
			disk = src.DiskID
		}
		s := &Snapshot{
			Meta: c.new("s", "SnapshotForImage-"+dup.ID, "", nil), DiskID: disk, DiskType: d.Type, GiB: d.GiB, Type: "user",
			Encrypted: encrypted, DoneAt: dup.DoneAt, End: "accomplished", SourceSnapshot: d.SnapshotID, SourceRegion: c.region.Name,
		}
		there.Snapshots.add(s)
		d.SnapshotID = s.ID
		dup.Mappings = append(dup.Mappings, d)
	}
	there.Images.add(dup)
	return dup
}

// cancelCopyImage is called in the region of the copy.
func cancelCopyImage(p *params) func(*call) error {
	id := p.must("ImageId")
	return func(c *call) error {
		m, err := c.own(id)
		if err != nil {
			return err
		}
		if state := m.State(c.now); m.SourceImage == "" || state != "Creating" && state != "Waiting" {
			return fail(http.StatusForbidden, "IncorrectImageStatus", "The specified image is not being copied, but %s.", state)
		}
		c.region.Images.remove(id)
		for _, d := range m.Mappings {
			c.region.Snapshots.remove(d.SnapshotID)
		}
		return nil
	}
}

func modifyImageSharePermission(p *params) func(*call) error {
	id, add, remove := p.must("ImageId"), p.list("AddAccount", 10), p.list("RemoveAccount", 10)
	p.ignore("LaunchPermission")
	if p.bool("IsPublic") {
		p.bad("UnsupportedOperation", "Community images are not part of this account.")
	}
	return func(c *call) error {
		m, err := c.own(id)
		if err != nil {
			return err
		}
		if state := m.State(c.now); state != "Available" {
			return fail(http.StatusForbidden, "IncorrectImageStatus", "The specified image is %s, not Available.", state)
		}
		with := slices.Clone(m.SharedWith)
		for _, uid := range add {
			if uid == c.f.opt.Account || !accountForm.MatchString(uid) {
				return fail(http.StatusBadRequest, "InvalidAccount.Invalid", "The specified account %q cannot be shared with.", uid)
			}
			if !slices.Contains(with, uid) {
				with = append(with, uid)
			}
		}
		with = slices.DeleteFunc(with, func(uid string) bool { return slices.Contains(remove, uid) })
		if len(with) > maxShares {
			return fail(http.StatusBadRequest, "QuotaExceed.ShareImage", "An image is shared with %d accounts at most.", maxShares)
		}
		slices.Sort(with)
		m.SharedWith = with
		return nil
	}
}

func describeImageSharePermission(p *params) func(*call) error {
	id := p.must("ImageId")
	number, size := p.int("PageNumber", 1, 1, 1000), p.int("PageSize", 10, 1, 100)
	return func(c *call) error {
		m, err := c.own(id)
		if err != nil {
			return err
		}
		from := min((number-1)*size, len(m.SharedWith))
		var list []fields
		for _, uid := range m.SharedWith[from:min(from+size, len(m.SharedWith))] {
			list = append(list, fields{"AliyunId": uid})
		}
		c.out["ImageId"], c.out["RegionId"], c.out["Accounts"] = m.ID, c.region.Name, wrap("Account", list)
		c.out["TotalCount"], c.out["PageNumber"], c.out["PageSize"] = len(m.SharedWith), number, size
		return nil
	}
}

// sharedWithUs gives copies of the images that other accounts share with this one in a region. It takes their locks one
// after the other, and must be called without this account's.
func (f *Fake) sharedWithUs(where string) map[string]*Image {
	out := map[string]*Image{}
	for _, other := range f.others {
		other.mu.Lock()
		if r := other.state.Regions[where]; r != nil {
			for _, m := range r.Images.Rows {
				if slices.Contains(m.SharedWith, f.opt.Account) {
					dup := *m
					dup.Tags, dup.Visible = nil, time.Time{} // tags are their owner's
					dup.Mappings = slices.Clone(m.Mappings)
					out[m.ID] = &dup
				}
			}
		}
		other.mu.Unlock()
	}
	return out
}
