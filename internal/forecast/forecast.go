// Package forecast says what will exist: from the rules, the world and the time, how many backups there will be on each
// day in each place, what will go when and why, what trips the breaker, and up to what it will cost.
//
// It promises to decide as package plan does, by plan's own code, and to be a pure function: the same input gives the
// same forecast, byte for byte. What nobody can know is among its assumptions. It refuses to guess: a size or a price
// that is not known is counted as unknown, and never as nothing.
package forecast

import (
	"cmp"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
)

// MaxDays is the longest forecast.
const MaxDays = 3660

// Input is all that a forecast depends on.
type Input struct {
	Now      time.Time
	Rules    policy.Rules
	Policies []string         // which policies to look at; nil: all, and the backups that belong to none
	World    *inventory.World // must cover the scopes of these policies; it is not changed
	Days     int              // full days after today, 0 to MaxDays
	Prices   []policy.Price
}

// Forecast is what will exist.
type Forecast struct {
	Format      int            `json:"format"` // of this document: 1
	From        time.Time      `json:"from"`
	Until       time.Time      `json:"until"` // the end of the last day
	Policies    []Policy       `json:"policies"`
	Total       Sum            `json:"total"`
	Places      []Sum          `json:"places"`
	Breakers    []Trip         `json:"breakers"`
	Deletes     []Deletion     `json:"deletes"` // of what exists today, in order of time
	Days        []Day          `json:"days"`
	Findings    []plan.Finding `json:"findings"`
	Unpriced    []string       `json:"unpriced"` // what has no price, as "aws eu-west-1 snapshot"
	Assumptions []string       `json:"assumptions"`
}

// Policy is one policy in the forecast.
type Policy struct {
	Name      string    `json:"name"`
	Schedule  string    `json:"schedule,omitempty"`
	Keep      string    `json:"keep,omitempty"`
	Disabled  bool      `json:"disabled,omitempty"`
	Unknown   bool      `json:"unknown,omitempty"` // only backups carry the name: no such policy is in the files, so they stay
	Instances int       `json:"instances"`         // that it backs up
	Slots     int       `json:"slots"`             // within the forecast
	Next      time.Time `json:"next,omitzero"`     // the next slot
	Created   int       `json:"created"`
	Deleted   int       `json:"deleted"`
	Now       Level     `json:"now"`
	End       Level     `json:"end"`
}

// Level is what there is at one moment.
type Level struct {
	Backups  int     `json:"backups"`
	Bytes    int64   `json:"bytes"`             // full sizes: clouds store less
	Unknown  int     `json:"unknown,omitempty"` // backups whose size is not known, and not in bytes
	PerMonth []Money `json:"per-month"`         // up to so much a month, as long as it stays like this
}

// Money is an amount in one currency.
type Money struct {
	Currency string  `json:"currency"`
	Amount   float64 `json:"amount"`
}

// Sum is one place, or all of them.
type Sum struct {
	Place   cloud.Place `json:"place,omitzero"`
	Now     Level       `json:"now"`
	Peak    Level       `json:"peak"` // the most backups at any moment: new ones are there before old ones go
	PeakAt  time.Time   `json:"peak-at"`
	End     Level       `json:"end"`
	Created int         `json:"created"`
	Deleted int         `json:"deleted"`
	Cost    []Money     `json:"cost"` // up to so much from today to the end
}

// Day is one calendar day in UTC, as it ends.
type Day struct {
	Date string `json:"date"`
	Level
	Created int     `json:"created"`
	Deleted int     `json:"deleted"`
	Cost    []Money `json:"cost"` // up to so much on this day
	Rows    []Row   `json:"rows"`
}

// Row is one policy in one place on one day.
type Row struct {
	Place   cloud.Place    `json:"place"`
	Policy  string         `json:"policy"` // empty: none any more
	Kind    string         `json:"kind"`   // snapshot or image
	Backups int            `json:"backups"`
	Bytes   int64          `json:"bytes"`
	Unknown int            `json:"unknown,omitempty"`
	Created int            `json:"created,omitempty"`
	Deleted int            `json:"deleted,omitempty"`
	Why     map[string]int `json:"why,omitempty"` // how many go for which reason
}

// Deletion is one backup of today that goes.
type Deletion struct {
	At     time.Time   `json:"at"`
	Policy string      `json:"policy"`
	Place  cloud.Place `json:"place"`
	Source string      `json:"source"`
	Label  string      `json:"source-name,omitempty"`
	Backup string      `json:"backup"`
	Name   string      `json:"name,omitempty"`
	Slot   string      `json:"slot,omitempty"`
	Time   time.Time   `json:"time"` // the moment that it holds
	Bytes  int64       `json:"bytes,omitempty"`
	Why    string      `json:"why"`
}

// Trip is a time in which the breaker stops a policy: it deletes nothing.
type Trip struct {
	Policy string     `json:"policy"`
	From   time.Time  `json:"from"`
	Until  time.Time  `json:"until,omitzero"` // zero: to the end, until a person looks
	First  int        `json:"first"`          // how many it wants to delete when the breaker trips
	Total  int        `json:"total"`          // of so many
	Most   int        `json:"most"`           // how many it wants to delete in the end
	Why    string     `json:"why"`
	Stops  []Deletion `json:"stops"` // what exists today and would go but for the breaker, when it is first wanted to
}

// Make forecasts. It never fails: what stands in the way is a finding.
func Make(in Input) Forecast {
	in.Now, in.Days = in.Now.UTC().Truncate(time.Second), min(max(in.Days, 0), MaxDays)
	m := newMaker(in)
	for _, o := range m.outlooks {
		m.walk(o)
	}
	m.rest()
	return m.result()
}

type maker struct {
	in       Input
	until    time.Time
	world    *inventory.World
	backups  []*inventory.Backup
	outlooks []*plan.Outlook
	adopting map[string]bool // what the first plan tags, and so does not delete yet

	lanes    map[laneKey]*lane
	order    []*lane
	sizes    map[sizeKey]size // of the newest complete backup of each source
	disks    map[cloud.Ref]int64
	labels   map[string]string // names of instances by source
	policies map[string]*Policy
	deletes  []Deletion
	trips    []Trip
	findings []plan.Finding
}

func newMaker(in Input) *maker {
	today := in.Now.Truncate(24 * time.Hour)
	m := &maker{
		in: in, until: today.AddDate(0, 0, in.Days+1), lanes: map[laneKey]*lane{}, sizes: map[sizeKey]size{}, disks: map[cloud.Ref]int64{},
		labels: map[string]string{}, policies: map[string]*Policy{},
	}
	m.settle()
	for i := range m.world.Disks {
		if d := &m.world.Disks[i]; d.Size > 0 {
			m.disks[d.Ref] = d.Size
		}
	}
	for i := range m.world.Instances {
		m.labels[m.world.Instances[i].Ref.Source()] = m.world.Instances[i].Name
	}
	for _, b := range m.backups {
		if s := sizeOf(b); b.Standing == inventory.Complete && s.known {
			m.sizes[sizeKey{b.Source, b.Place, kindOf(b)}] = s // in order of time: the newest wins
		}
	}
	return m
}

// rest counts what no policy of the input works on: it stays as it is.
func (m *maker) rest() {
	worked := map[string]*plan.Outlook{}
	for _, o := range m.outlooks {
		worked[o.Policy.Name] = o
	}
	for _, b := range m.backups {
		if worked[b.Policy] == nil && (m.in.Policies == nil || slices.Contains(m.in.Policies, b.Policy)) {
			m.exists(b)
		}
	}
	for _, pol := range m.in.Rules.Policies {
		if m.in.Policies == nil || slices.Contains(m.in.Policies, pol.Name) {
			p := m.policy(pol.Name)
			p.Disabled = pol.Disabled
			if b := pol.Backup; b != nil {
				p.Schedule, p.Keep = b.When.String(), b.Keep.String()
			}
		}
	}
}

// policy gives the entry of a policy.
func (m *maker) policy(name string) *Policy {
	p := m.policies[name]
	if p == nil {
		_, known := m.in.Rules.FindPolicy(name)
		p = &Policy{Name: name, Unknown: !known}
		m.policies[name] = p
	}
	return p
}

// settle looks at the world as it is once everything that is being made is complete, and what an image of ours stands on
// carries its tags, as the next plans would see to.
func (m *maker) settle() {
	w := *m.in.World
	m.world = &w
	ours := func(tags cloud.Tags, s cloud.State) bool {
		return tags.Has(cloud.TagBackup) && (s == cloud.StateWorking || s == cloud.StateUnknown)
	}
	if slices.ContainsFunc(w.Snapshots, func(s cloud.Snapshot) bool { return ours(s.Tags, s.State) }) {
		w.Snapshots = slices.Clone(w.Snapshots)
		for i := range w.Snapshots {
			if s := &w.Snapshots[i]; ours(s.Tags, s.State) {
				s.State = cloud.StateReady
			}
		}
	}
	if slices.ContainsFunc(w.Images, func(s cloud.Image) bool { return ours(s.Tags, s.State) }) {
		w.Images = slices.Clone(w.Images)
		for i := range w.Images {
			if s := &w.Images[i]; ours(s.Tags, s.State) {
				s.State = cloud.StateReady
			}
		}
	}
	m.look()
	adopted := map[cloud.Ref]cloud.Tags{}
	m.adopting = map[string]bool{}
	for _, o := range m.outlooks {
		for _, b := range o.Backups {
			refs, tags := o.Adopts(b)
			for _, ref := range refs {
				adopted[ref] = tags
				m.adopting[backupKey(b)] = true
			}
		}
	}
	if len(adopted) == 0 {
		return
	}
	w.Snapshots = slices.Clone(w.Snapshots)
	for i := range w.Snapshots {
		if tags, ok := adopted[w.Snapshots[i].Ref]; ok {
			w.Snapshots[i].Tags = w.Snapshots[i].Tags.Merge(tags)
		}
	}
	m.look()
}

func (m *maker) look() {
	m.backups = m.world.Backups()
	in := plan.Input{Now: m.in.Now, Rules: m.in.Rules, Policies: m.in.Policies, World: m.world}
	m.outlooks = plan.Outlooks(in, m.backups)
}

// backupKey tells one place's part of a backup from those elsewhere.
func backupKey(b *inventory.Backup) string { return b.ID + " " + b.Place.String() }

// assumptions are what a forecast cannot know.
func assumptions(outlooks []*plan.Outlook) []string {
	out := []string{
		"instances neither come nor go, and keep their tags and disks",
		"nobody holds, releases or deletes a backup by hand",
		"every backup succeeds, and all of a slot are complete at their slot",
		"sizes and costs are an upper bound: they count each backup in full, and clouds store snapshots incrementally",
	}
	if slices.ContainsFunc(outlooks, func(o *plan.Outlook) bool { return len(o.Policy.Backup.Copies) > 0 }) {
		out = append(out, "copies are complete with their originals, however many the cloud copies at once, and traffic between regions is not counted")
	}
	return out
}

func (m *maker) result() Forecast {
	f := Forecast{
		Format: 1, From: m.in.Now, Until: m.until, Breakers: m.trips, Deletes: m.deletes, Findings: m.findings, Assumptions: assumptions(m.outlooks),
		Policies: []Policy{},
	}
	slices.SortStableFunc(f.Deletes, compareDeletions)
	slices.SortStableFunc(f.Breakers, func(a, b Trip) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Policy, b.Policy)) })
	slices.SortStableFunc(f.Findings, func(a, b plan.Finding) int { return cmp.Compare(a.Key, b.Key) })
	f.Findings = slices.CompactFunc(f.Findings, func(a, b plan.Finding) bool { return a.Key == b.Key })
	m.count(&f)
	for _, p := range m.policies {
		f.Policies = append(f.Policies, *p)
	}
	slices.SortFunc(f.Policies, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	// Empty lists are lists in JSON too.
	f.Breakers, f.Deletes, f.Findings = list(f.Breakers), list(f.Deletes), list(f.Findings)
	return f
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func compareDeletions(a, b Deletion) int {
	return cmp.Or(a.At.Compare(b.At), a.Place.Compare(b.Place), cmp.Compare(a.Source, b.Source), a.Time.Compare(b.Time), cmp.Compare(a.Backup, b.Backup))
}
