package forecast

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/retain"
)

// existing is one backup of today that a policy works on.
type existing struct {
	*inventory.Backup
	lane  *lane
	size  size
	class *class
	made  bool // by the forecast: a copy of a backup of today
	told  bool // that the breaker stops it
}

// goer is an existing backup that is wanted to go.
type goer struct {
	*existing
	why   string
	parts bool // only what failed tries have left of it
}

// crowd is what was made within the forecast and is wanted to go, told apart by lane and reason.
type crowd struct {
	lane *lane
	why  string
}

// walker goes through one policy's slots. The breaker counts over all sources in one plan, so they go in step.
type walker struct {
	*maker
	o     *plan.Outlook
	rule  *policy.Backup
	judge *retain.Judge
	items []retain.Item // used again for each class

	minutes bool // slots are at full minutes

	at      time.Time
	slotted time.Time // the slot that is made
	all     []*class  // every one
	takers  []*class  // those of which backups are made
	total   int       // backups that the breaker counts
	waiting []goer
	crowds  map[crowd]amount
	crowded int      // backups in crowds
	stuck   int      // wanted to go, and something else stands on them
	begun   bool     // a plan was made, so that adopting is over
	due     []*class // copies of what was made last
	first   []func() // the copies of today's backups
	trip    *Trip
}

// walk goes through one policy.
func (m *maker) walk(o *plan.Outlook) {
	w := &walker{maker: m, o: o, rule: o.Policy.Backup, judge: retain.NewJudge(), at: m.in.Now, crowds: map[crowd]amount{}}
	w.minutes = w.rule.When.Period()%time.Minute == 0
	p := m.policy(o.Policy.Name)
	p.Instances = len(o.Instances())
	m.findings = append(m.findings, o.Findings...)
	first, due := w.begin()
	w.judgeAll(w.all)
	w.slot(m.in.Now, due, first)
	w.merge()
	today := m.day(m.in.Now)
	for slot := range w.rule.When.Slots(m.in.Now, m.until.Add(-time.Nanosecond)) {
		if p.Slots++; p.Slots == 1 {
			p.Next = slot
		}
		if d := m.day(slot); d != today {
			today = d
			w.merge()
		}
		w.slot(slot, slot, w.batches(slot))
	}
	if w.trip != nil {
		m.trips = append(m.trips, *w.trip)
	}
}

// begin makes a class of each source and place. It gives the batches of those that a slot before now still wants, and
// which slot.
func (w *walker) begin() (batches [][]*class, of time.Time) {
	type key struct {
		source string
		place  cloud.Place
	}
	made := map[key]*class{}
	classOf := func(source string, place cloud.Place) *class {
		c := made[key{source, place}]
		if c == nil {
			c = &class{source: source, place: place, dirty: true, next: w.o.Rule(source, place, nil)}
			made[key{source, place}] = c
			w.all = append(w.all, c)
		}
		return c
	}
	have, whole := map[string]*inventory.Backup{}, map[*inventory.Backup]bool{}
	for _, c := range w.o.Copies() {
		whole[c.There] = c.There != nil && c.There.Standing != inventory.Failed
	}
	for _, b := range w.o.Backups {
		e := &existing{Backup: b, lane: w.exists(b), size: sizeOf(b)}
		if !w.o.Sees(b.Place) || !w.o.Belongs(b) {
			continue
		}
		if whole[b] { // what lacks of it is copied by the first plan
			clone := *b
			clone.Standing = inventory.Complete
			e.Backup = &clone
		}
		w.total++
		have[backupKey(b)] = b
		c := classOf(b.Source, b.Place)
		e.class = c
		c.take(w, e)
	}
	for _, c := range w.all {
		c.rule = w.o.Rule(c.source, c.place, c.newest)
	}
	for _, copying := range w.o.Copies() {
		if whole[copying.There] {
			continue
		}
		home, away := classOf(copying.Original.Source, copying.Original.Place), classOf(copying.Original.Source, copying.To)
		home.pinned = append(home.pinned, copying.Original.ID)
		w.first = append(w.first, func() {
			home.pinned, home.dirty = nil, true
			if copying.There != nil {
				away.again(w, copying.There)
			}
			away.copy(w, copying)
		})
	}
	slot, due := w.rule.When.Newest(w.in.Now, w.rule.CatchUp)
	var first []*class
	for i, inst := range w.o.Instances() {
		c := classOf(inst.Ref.Source(), inst.Ref.Place())
		if c.newest == nil {
			c.rule = c.next
		}
		c.takes = true
		if w.rule.Limits.AtOnce > 0 {
			c.batch = i / w.rule.Limits.AtOnce
		}
		if inst.CreatedAt.After(w.in.Now) {
			c.born = inst.CreatedAt
		}
		kind := cloud.KindSnapshot
		if w.rule.Method == policy.MethodImage {
			kind = cloud.KindImage
		}
		c.per = []weight{{w.lane(laneKey{w.o.Policy.Name, inst.Ref.Place(), kind}), w.next(inst, w.rule.Method).times(1)}}
		w.takers = append(w.takers, c)
		for _, to := range w.o.Targets(inst.Ref.Place()) {
			t := classOf(inst.Ref.Source(), to)
			if t.newest == nil {
				t.rule = t.next
			}
			t.copied = true
			if at := w.o.Loose(inst.Ref.Source(), to); at.After(t.top) {
				t.top = at
			}
			t.per = []weight{{w.lane(laneKey{w.o.Policy.Name, to, kind}), w.next(inst, w.rule.Method).times(1)}}
			c.to = append(c.to, t)
		}
		if !due {
			continue
		}
		id := plan.BackupID(w.o.Policy.Name, inst.Ref, plan.SlotText(slot))
		old := have[id+" "+inst.Ref.Place().String()]
		if w.o.Due(inst, slot, old) {
			first = append(first, c)
			c.again(w, old)
		}
	}
	for _, c := range w.all {
		c.stay = c.place == placeOf(c.source) && w.o.Waits(c.place)
	}
	return chunked(first, w.rule.Limits.AtOnce), slot
}

// chunked cuts a list into parts of n; n zero means one part.
func chunked(list []*class, n int) [][]*class {
	if n <= 0 {
		return [][]*class{list}
	}
	return slices.Collect(slices.Chunk(list, n))
}

// batches are the classes of which the slot makes backups, those at once together.
func (w *walker) batches(slot time.Time) [][]*class {
	if w.rule.Limits.AtOnce == 0 {
		return [][]*class{slices.DeleteFunc(slices.Clone(w.takers), func(c *class) bool { return c.born.After(slot) })}
	}
	var out [][]*class
	for _, c := range w.takers {
		for len(out) <= c.batch {
			out = append(out, nil)
		}
		if !c.born.After(slot) {
			out[c.batch] = append(out[c.batch], c)
		}
	}
	return out
}

// slot plans, makes and plans again, until nothing changes any more.
func (w *walker) slot(at, of time.Time, batches [][]*class) {
	w.at, w.slotted = at, of
	for _, batch := range batches {
		changed := w.expire()
		changed = w.copies() || changed
		for _, c := range batch {
			c.grow(w)
			w.due = append(w.due, c.to...)
		}
		if changed {
			batch = w.all
		}
		w.judgeAll(batch)
	}
	for {
		changed := w.expire()
		if !w.copies() && !changed {
			return
		}
		w.judgeAll(w.all)
	}
}

// copies makes the copies of what there was when the plan was made, and says whether there was any.
func (w *walker) copies() bool {
	some := len(w.first)+len(w.due) > 0
	for _, first := range w.first {
		first()
	}
	for _, c := range w.due {
		c.grow(w)
	}
	w.first, w.due = nil, nil
	return some
}

// placeOf is where a source is.
func placeOf(source string) cloud.Place {
	parts := strings.SplitN(source, "/", 3)
	if len(parts) != 3 {
		return cloud.Place{}
	}
	return cloud.Place{Account: parts[0], Region: parts[1]}
}

func (w *walker) judgeAll(list []*class) {
	for _, c := range list {
		if c.dirty {
			c.judge(w)
		}
	}
}

// expire deletes what is wanted to go, unless the breaker stops it; it says whether something has changed.
func (w *walker) expire() bool {
	n := len(w.waiting) + w.crowded + w.stuck
	adopting := w.adopting
	if w.begun {
		adopting = nil
	}
	w.begun = true
	why, trips := "", false
	if n > 0 {
		why, trips = plan.Trips(w.rule.Limits, n, w.total)
	}
	if trips {
		w.stop(n, why)
		return len(adopting) > 0
	}
	w.release()
	if len(w.waiting)+w.crowded == 0 {
		return false
	}
	day := w.day(w.at)
	var later []goer // those that the first plan still tags
	for _, g := range w.waiting {
		if adopting[backupKey(g.Backup)] && !g.parts {
			later = append(later, g)
			continue
		}
		w.remove(g, day)
	}
	for c, a := range w.crowds {
		c.lane.drop(w.at, a)
		c.lane.reason(day, a.backups, c.why)
		w.total -= a.backups
	}
	w.waiting, w.crowded = later, 0
	clear(w.crowds)
	return true
}

// remove lets an existing backup go.
func (w *walker) remove(g goer, day int) {
	if g.parts {
		left := readySize(g.Backup)
		g.lane.drop(w.at, amount{bytes: max(g.size.bytes-left, 0)})
		g.size.bytes = left
		g.class.clean(g.existing)
		return
	}
	if len(w.o.Remains(g.Backup)) > 0 {
		w.stuck++ // it is wanted to go by every plan from now on
		return
	}
	g.lane.drop(w.at, g.size.times(1))
	g.lane.reason(day, 1, g.why)
	w.total--
	if !g.made {
		w.deletes = append(w.deletes, w.deletion(g))
	}
}

func (w *walker) deletion(g goer) Deletion {
	return Deletion{
		At: w.at, Policy: g.Policy, Place: g.Place, Source: g.Source, Label: w.labels[g.Source], Backup: g.ID, Name: g.Name(), Slot: g.Slot, Time: g.Time,
		Bytes: g.size.bytes, Why: g.why,
	}
}

// stop notes that the breaker keeps the policy from deleting.
func (w *walker) stop(n int, why string) {
	if w.trip == nil {
		w.trip = &Trip{Policy: w.o.Policy.Name, From: w.at, First: n, Total: w.total, Why: why, Stops: []Deletion{}}
	}
	w.trip.Most = max(w.trip.Most, n)
	for _, g := range w.waiting {
		if !g.told && !g.parts && !g.made {
			g.told = true
			w.trip.Stops = append(w.trip.Stops, w.deletion(g))
		}
	}
}

// release notes that it does not any more. What lasts no time is no news.
func (w *walker) release() {
	if w.trip != nil && w.at.After(w.trip.From) {
		w.trip.Until = w.at
		w.trips = append(w.trips, *w.trip)
	}
	w.trip = nil
}

// merge makes one class of those whose future is the same.
func (w *walker) merge() {
	if len(w.takers) < 2 {
		return
	}
	kept := w.alike(w.takers)
	if len(kept) == len(w.takers) {
		return
	}
	w.all = slices.DeleteFunc(w.all, func(c *class) bool { return c.takes || c.copied })
	w.all = append(w.all, kept...)
	for _, c := range kept { // copies are alike only when their originals are: they are made together
		c.to = w.alike(c.to)
		w.all = append(w.all, c.to...)
	}
	w.takers = kept
}

// alike joins those of the classes that are alike, and gives those that are left.
func (w *walker) alike(list []*class) []*class {
	known := map[string]*class{}
	var kept []*class
	for _, c := range list {
		key, ok := c.key(w.minutes)
		if !ok {
			kept = append(kept, c)
			continue
		}
		if first := known[key]; first != nil {
			first.join(c)
			continue
		}
		known[key] = c
		kept = append(kept, c)
	}
	return kept
}

// readySize is what a complete backup needs.
func readySize(b *inventory.Backup) int64 {
	var n int64
	for _, ref := range b.Ready() {
		for _, img := range b.Images {
			if img.Ref == ref {
				n += img.Size
			}
		}
		for _, s := range b.Snapshots {
			if s.Ref == ref {
				n += s.Size
			}
		}
	}
	return n
}

// reasons joins a verdict's reasons as plans do.
func reasons(v retain.Verdict) string { return strings.Join(v.Reasons, ", ") }

// byAge orders items the oldest first, and of equally old ones as retain does: the one with the larger id is the older.
func byAge(a, b item) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.id, a.id)) }
