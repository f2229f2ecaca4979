package forecast

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/retain"
)

// class is sources whose future is the same: at first one, later all that share their rule and the times of their
// backups.
type class struct {
	source string // of the first
	place  cloud.Place
	rule   retain.Rule // now
	next   retain.Rule // once a backup was made from the instance as it is now
	fresh  bool        // rule is next
	takes  bool        // backups are made of them
	copied bool        // these are copies of what is made of another class
	to     []*class    // of those that are copied: the copies
	top    time.Time   // of the newest complete backup, held or not: what is older is not copied here
	stay   bool        // nothing complete goes, since it may not be copied yet
	pinned []string    // ids of what stays until it is copied
	batch  int         // in which part of a slot
	born   time.Time   // zero, or no slot before this
	dirty  bool        // to be judged anew

	newest *inventory.Backup // of today's complete ones, held or not; until there is a newer one
	held   time.Time         // of the newest complete one that is held
	items  []item            // complete and not held, the oldest first
	broken []*existing       // failed or damaged
	extra  []*existing       // complete, with leavings
	per    []weight          // what one slot makes
}

// item is one backup of each source of a class.
type item struct {
	at   time.Time
	id   string
	olds []*existing // one for each source when it exists today; nil when the forecast made it
}

// weight is what one slot makes in one lane.
type weight struct {
	lane *lane
	amount
}

// take puts a backup of today where it belongs.
func (c *class) take(w *walker, e *existing) {
	if e.Standing == inventory.Complete && (c.newest == nil || e.Time.After(c.newest.Time)) {
		c.newest = e.Backup
	}
	if e.Standing == inventory.Complete && e.At().After(c.top) {
		c.top = e.At()
	}
	switch {
	case e.Hold != "":
		if e.Standing == inventory.Complete && e.Time.After(c.held) {
			c.held = e.Time
		}
	case e.Standing == inventory.Complete:
		c.items = append(c.items, item{at: e.Time, id: e.ID, olds: []*existing{e}})
		if len(w.o.Leavings(e.Backup)) > 0 {
			c.extra = append(c.extra, e)
			w.waiting = append(w.waiting, goer{e, "left over from a failed or doubled try; the backup is complete", true})
		}
		slices.SortFunc(c.items, byAge)
	case e.Standing == inventory.Failed || e.Standing == inventory.Damaged:
		c.broken = append(c.broken, e)
	}
}

// again makes room for another try at a backup that failed.
func (c *class) again(w *walker, failed *inventory.Backup) {
	for i, e := range c.broken {
		if e.Backup == failed {
			c.broken = slices.Delete(c.broken, i, i+1)
			e.lane.drop(w.at, e.size.times(1))
			e.lane.reason(w.day(w.at), 1, "it failed, and is made again")
			w.total--
			return
		}
	}
}

// clean takes the leavings off a backup, whose time may be another without them.
func (c *class) clean(e *existing) {
	c.extra = slices.DeleteFunc(c.extra, func(x *existing) bool { return x == e })
	at := time.Time{}
	ready := e.Ready()
	see := func(made time.Time) {
		if at.IsZero() || made.Before(at) {
			at = made
		}
	}
	for _, img := range e.Images {
		if slices.Contains(ready, img.Ref) {
			see(img.CreatedAt)
		}
	}
	for _, s := range e.Snapshots {
		if slices.Contains(ready, s.Ref) {
			see(s.CreatedAt)
		}
	}
	for _, s := range e.Backing {
		see(s.CreatedAt)
	}
	for i := range c.items {
		if it := &c.items[i]; len(it.olds) == 1 && it.olds[0] == e && !at.IsZero() {
			it.at = at
		}
	}
	slices.SortFunc(c.items, byAge)
	c.dirty = true
}

// copy makes a copy of a backup of today.
func (c *class) copy(w *walker, of plan.Copying) {
	e := &existing{
		Backup: &inventory.Backup{ID: of.Original.ID, Place: of.To, Policy: of.Original.Policy, Source: of.Original.Source, Slot: of.Original.Slot, Time: of.Original.At(), Standing: inventory.Complete, Copied: true},
		lane:   w.lane(laneKey{w.o.Policy.Name, of.To, kindOf(of.Original)}), size: sizeOf(of.Original), class: c, made: true,
	}
	c.items = append(c.items, item{at: e.Time, id: e.ID, olds: []*existing{e}})
	slices.SortFunc(c.items, byAge)
	e.lane.make(w.at, e.size.times(1))
	w.total++
	if e.Time.After(c.top) {
		c.top = e.Time
		if !c.fresh { // what it was selected by went along
			c.newest = of.Original
			c.rule = w.o.Rule(of.Original.Source, of.To, of.Original)
		}
	}
	c.dirty = true
}

// grow makes one backup of each source.
func (c *class) grow(w *walker) {
	it := item{at: w.at, id: plan.SlotText(w.at)}
	if c.copied {
		it.at = w.slotted // a copy is as old as its slot, whenever it was made
		if !it.at.After(c.top) {
			return
		}
		c.top = it.at
	}
	at, _ := slices.BinarySearchFunc(c.items, it, byAge)
	c.items = slices.Insert(c.items, at, it)
	for _, p := range c.per {
		p.lane.make(w.at, p.amount)
		w.total += p.backups
	}
	c.dirty = true
}

// judge applies the rule, and puts what does not stay among what waits to go.
func (c *class) judge(w *walker) {
	c.dirty = false
	if !c.fresh && c.madeHere() {
		c.fresh, c.newest = true, nil
		if c.rule != c.next {
			c.recall(w)
		}
		c.rule = c.next
	}
	w.items = w.items[:0]
	for _, it := range c.items {
		w.items = append(w.items, retain.Item{ID: it.id, Time: it.at})
	}
	var newest, oldestKept time.Time
	n := len(c.items)
	if n > 0 {
		newest = c.items[n-1].at
	}
	goes := false
	for i, v := range w.judge.Apply(c.rule, w.items) {
		if v.Keep {
			oldestKept = v.Item.Time
			continue
		}
		if c.stay || slices.Contains(c.pinned, v.Item.ID) {
			continue
		}
		c.leave(w, &c.items[n-1-i], reasons(v))
		goes = true
	}
	if goes {
		c.items = slices.DeleteFunc(c.items, func(it item) bool { return it.id == "" })
	}
	c.broken = slices.DeleteFunc(c.broken, func(e *existing) bool {
		why, ok := plan.Superseded(e.Standing, e.Time, newest, oldestKept)
		if ok {
			w.waiting = append(w.waiting, goer{e, why, false})
		}
		return ok
	})
}

// madeHere says whether the newest complete backup is one that the forecast made.
func (c *class) madeHere() bool {
	n := len(c.items)
	return n > 0 && c.items[n-1].olds == nil && !c.held.After(c.items[n-1].at)
}

// leave puts an item among what waits to go. It never comes back: newer backups only push it further beyond.
func (c *class) leave(w *walker, it *item, why string) {
	for _, e := range it.olds {
		w.waiting = append(w.waiting, goer{e, why, false})
	}
	if it.olds == nil {
		for _, p := range c.per {
			a := w.crowds[crowd{p.lane, why}]
			a.add(p.amount, 1)
			w.crowds[crowd{p.lane, why}] = a
			w.crowded += p.backups
		}
	}
	it.id = "" // for judge to see
}

// recall takes back what waits to go by a rule that is no longer that of the source.
func (c *class) recall(w *walker) {
	w.waiting = slices.DeleteFunc(w.waiting, func(g goer) bool {
		if g.class != c || g.parts || g.Standing != inventory.Complete {
			return false
		}
		c.items = append(c.items, item{at: g.Time, id: g.ID, olds: []*existing{g.existing}})
		return true
	})
	slices.SortFunc(c.items, byAge)
}

// join takes another class in.
func (c *class) join(o *class) {
	for i := range c.items {
		c.items[i].olds = append(c.items[i].olds, o.items[i].olds...)
	}
	c.to = append(c.to, o.to...)
	for _, p := range o.per {
		i := slices.IndexFunc(c.per, func(x weight) bool { return x.lane == p.lane })
		if i < 0 {
			c.per = append(c.per, p)
			continue
		}
		c.per[i].add(p.amount, 1)
	}
}

// key tells classes apart whose futures differ; false when the class may not be joined. Of a backup's time no more
// counts than a rule can see: its hour on the wall clock and, where ages count and slots are at full minutes, its minute.
func (c *class) key(minutes bool) (string, bool) {
	n := len(c.items)
	if !c.takes && !c.copied || c.dirty || len(c.pinned) > 0 || len(c.broken)+len(c.extra) > 0 || !c.fresh {
		return "", false
	}
	r := c.rule
	b := make([]byte, 0, 128+24*n)
	number := func(v int64) { b = binary.AppendVarint(b, v) }
	for _, v := range []int{r.Last, r.Hourly, r.Daily, r.Weekly, r.Monthly, r.Yearly, c.batch, n} {
		number(int64(v))
	}
	number(int64(r.Within))
	number(c.born.Unix())
	if c.copied {
		number(c.top.UnixNano())
	}
	if c.stay {
		b = append(b, 4)
	}
	b = append(b, c.place.String()...)
	exact := r.Within > 0 && (!minutes || r.Within%time.Minute != 0)
	zone := r.Location
	if zone == nil {
		zone = time.UTC
	}
	b = append(b, zone.String()...)
	for _, it := range c.items {
		switch {
		case it.olds == nil:
			b = append(b, 1)
			number(it.at.Unix())
		case exact:
			b = append(b, 2)
			number(it.at.UnixNano())
		default:
			b = append(b, 3)
			if r.Hourly+r.Daily+r.Weekly+r.Monthly+r.Yearly > 0 {
				at := it.at.In(zone)
				number(int64(at.Year())*1000 + int64(at.YearDay()))
				number(int64(at.Hour()))
			}
			if r.Within > 0 {
				number(it.at.Add(time.Minute - time.Nanosecond).Truncate(time.Minute).Unix())
			}
		}
	}
	return string(b), true
}
