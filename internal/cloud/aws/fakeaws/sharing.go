package fakeaws

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
)

// Sharing is where accounts find what others have shared with them: give the same one to each in Options.Sharing. The
// zero Sharing is ready for use.
type Sharing struct {
	mu     sync.Mutex // taken last: nothing else is locked under it
	offers map[string]offer
}

// offer is an image or a snapshot as it was when it was last shared or changed.
type offer struct {
	with     []string
	image    *Image
	snapshot *Snapshot
}

// put keeps what an id in a region is shared as; with nobody it is taken back.
func (s *Sharing) put(region, id string, o offer) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offers == nil {
		s.offers = map[string]offer{}
	}
	if len(o.with) == 0 {
		delete(s.offers, region+"/"+id)
		return
	}
	s.offers[region+"/"+id] = o
}

func (s *Sharing) find(region, id, account string) (offer, bool) {
	if s == nil {
		return offer{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.offers[region+"/"+id]
	return o, ok && slices.Contains(o.with, account)
}

// offer tells the others of an image or a snapshot as it is now.
func (f *Fake) offer(region, id string) {
	r := f.state.Regions[region]
	o := offer{}
	if m, ok := r.Images.find(id); ok {
		dup := *m
		dup.Mappings = slices.Clone(m.Mappings)
		o = offer{with: slices.Clone(m.LaunchPermission), image: &dup}
	} else if s, ok := r.Snapshots.find(id); ok {
		dup := *s
		o = offer{with: slices.Clone(s.VolumePermission), snapshot: &dup}
	}
	f.opt.Sharing.put(region, id, o)
}

// sourceImage finds an image that the account may copy: one of its own or a public one, or one that is shared with it.
func (c *call) sourceImage(from, id string) (*Image, error) {
	r := c.f.state.Regions[from]
	if r == nil {
		return nil, fail("InvalidParameterValue", "The source region %q does not exist", from)
	}
	r.settle(c.now)
	if o, ok := c.f.opt.Sharing.find(from, id, c.f.opt.Account); ok && o.image != nil {
		return o.image, nil
	}
	return lookup(c, &r.Images, "ami", id)
}

// storage finds the snapshots under an image that is copied, in order.
func (c *call) storage(from string, m *Image) ([]*Snapshot, error) {
	var out []*Snapshot
	for _, b := range m.Mappings {
		s, ok := c.f.state.Regions[from].Snapshots.find(b.SnapshotID)
		if !ok {
			o, shared := c.f.opt.Sharing.find(from, b.SnapshotID, c.f.opt.Account)
			if !shared || o.snapshot == nil {
				return nil, fail("InvalidRequest", "You do not have permission to access the storage of this ami")
			}
			s = o.snapshot
		}
		out = append(out, s)
	}
	return out, nil
}

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// change is whom an attribute is to have more, and whom no longer.
type change struct{ add, remove []string }

// permission reads either form in which EC2 takes a change of a permission.
func (p *params) permission(prefix, badUser string) change {
	var out change
	if attribute := p.get("Attribute"); attribute != "" && attribute != firstLower(prefix) {
		p.fail(fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. It cannot be changed here.", attribute))
	}
	users := func(group string) []string {
		var ids []string
		for _, g := range p.groups(prefix + "." + group) {
			ids = append(ids, p.get(g+".UserId"))
		}
		return ids
	}
	out.add, out.remove = users("Add"), users("Remove")
	if ids := p.list("UserId"); len(ids) > 0 {
		switch op := p.get("OperationType"); op {
		case "add":
			out.add = append(out.add, ids...)
		case "remove":
			out.remove = append(out.remove, ids...)
		default:
			p.fail(fail("InvalidParameterValue", "Value (%s) for parameter operationType is invalid", op))
		}
	}
	for _, id := range slices.Concat(out.add, out.remove) {
		if !accountForm.MatchString(id) {
			p.fail(fail(badUser, "Invalid attribute item value %q for userId item type.", id))
		}
	}
	if len(out.add)+len(out.remove) == 0 {
		p.fail(fail("InvalidParameterCombination", "No attributes specified."))
	}
	if len(out.add) > 0 && len(out.remove) > 0 && prefix == "CreateVolumePermission" {
		p.fail(fail("InvalidParameterCombination", "Add and remove cannot be given together"))
	}
	return out
}

func firstLower(s string) string { return string(s[0]+'a'-'A') + s[1:] }

func (ch change) of(have []string) []string {
	for _, id := range ch.add {
		if i, found := slices.BinarySearch(have, id); !found {
			have = slices.Insert(have, i, id)
		}
	}
	return slices.DeleteFunc(have, func(id string) bool { return slices.Contains(ch.remove, id) })
}

func modifyImageAttribute(p *params) func(*call) error {
	id, ch := p.must("ImageId"), p.permission("LaunchPermission", "InvalidAMIAttributeItemValue")
	return func(c *call) error {
		m, err := c.ownImage(id)
		if err != nil {
			return err
		}
		if state := m.State(c.now); state != "available" {
			return fail("InvalidAMIID.Unavailable", "The image ID '%s' is currently %s and may not be modified", id, state)
		}
		for _, b := range m.Mappings {
			if s, ok := c.region.Snapshots.find(b.SnapshotID); ok && len(ch.add) > 0 && s.defaultKey() {
				return fail("InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.")
			}
		}
		m.LaunchPermission = ch.of(m.LaunchPermission)
		c.f.offer(c.region.Name, id)
		c.out.bool("return", true)
		return nil
	}
}

func (c *call) ownImage(id string) (*Image, error) {
	m, err := lookup(c, &c.region.Images, "ami", id)
	if err == nil && m.Owner != c.f.opt.Account {
		err = failStatus(http.StatusForbidden, "AuthFailure", "Not authorized for image:%s", id)
	}
	return m, err
}

func (c *call) ownSnapshot(id string) (*Snapshot, error) {
	s, err := lookup(c, &c.region.Snapshots, "snap", id)
	if err == nil && s.Owner != c.f.opt.Account {
		err = failStatus(http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return s, err
}

func describeImageAttribute(p *params) func(*call) error {
	id, attribute := p.must("ImageId"), p.must("Attribute")
	if attribute != "launchPermission" {
		p.fail(fail("InvalidParameterValue", "the attribute %q is not part of this account", attribute))
	}
	return func(c *call) error {
		m, err := c.ownImage(id)
		if err != nil {
			return err
		}
		c.out.str("imageId", id)
		c.out.users("launchPermission", m.LaunchPermission)
		return nil
	}
}

func modifySnapshotAttribute(p *params) func(*call) error {
	id, ch := p.must("SnapshotId"), p.permission("CreateVolumePermission", "InvalidUserID.Malformed")
	return func(c *call) error {
		s, err := c.ownSnapshot(id)
		if err != nil {
			return err
		}
		if len(ch.add) > 0 && s.defaultKey() {
			return fail("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
		}
		s.VolumePermission = ch.of(s.VolumePermission)
		c.f.offer(c.region.Name, id)
		c.out.bool("return", true)
		return nil
	}
}

func describeSnapshotAttribute(p *params) func(*call) error {
	id, attribute := p.must("SnapshotId"), p.must("Attribute")
	if attribute != "createVolumePermission" {
		p.fail(fail("InvalidParameterValue", "the attribute %q is not part of this account", attribute))
	}
	return func(c *call) error {
		s, err := c.ownSnapshot(id)
		if err != nil {
			return err
		}
		c.out.str("snapshotId", id)
		c.out.users("createVolumePermission", s.VolumePermission)
		return nil
	}
}

func (d *doc) users(element string, ids []string) {
	d.open(element)
	for _, id := range ids {
		d.open("item")
		d.str("userId", id)
		d.close("item")
	}
	d.close(element)
}

// defaultKey says whether the snapshot is encrypted with EBS's own key, which is nobody else's.
func (s *Snapshot) defaultKey() bool { return s.Encrypted && s.Key == "" }

// encryption is what a copy is to be encrypted with.
type encryption struct {
	on  bool
	key string // a customer's; empty is the default
}

func (p *params) encryption() encryption {
	e := encryption{on: p.bool("Encrypted"), key: p.get("KmsKeyId")}
	if e.key != "" && !e.on {
		p.fail(fail("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."))
	}
	return e
}

// unknown says whether the key is none of this region's. EC2 finds that out only after it has answered.
func (c *call) unknown(key string) bool {
	if key == "" || c.f.opt.KMSKeys == nil {
		return false
	}
	return !slices.ContainsFunc(c.f.opt.KMSKeys[c.region.Name], func(id string) bool {
		return key == id || key == fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", c.region.Name, c.f.opt.Account, id)
	})
}

const badKey = "Given key ID is not accessible"
