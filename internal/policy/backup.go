package policy

import (
	"math"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones mean the same on every machine, also where none are installed

	"github.com/stint-cloud/stint/internal/schedule"
)

func (r *reader) policy(s spot) {
	before := r.refused()
	p := Policy{Name: s.key.text, Pos: s.key.pos}
	f, ok := s.fields(shapePolicy{}, "backup:")
	if ok {
		if d, ok := f["disabled"]; ok {
			p.Disabled = d.yes()
		}
		b, there := f["backup"]
		switch {
		case there:
			p.Backup = r.backup(b)
		case r.refused() == before:
			r.complain(s.key.pos, s.path, "policy "+quote(p.Name)+" says nothing to do", "add backup")
		}
	}
	declare(r, r.policies, s, "policy", p, ok && r.refused() == before)
}

func (r *reader) backup(s spot) *Backup {
	b := &Backup{CatchUp: DefaultCatchUp, Zone: time.UTC, StuckAfter: DefaultStuckAfter, Limits: Limits{DeleteShare: DefaultDeleteShare}}
	f, ok := s.fields(shapeBackup{}, "select, schedule, method and keep")
	if !ok {
		return nil
	}
	for _, must := range []struct{ word, problem, hint string }{
		{"select", "the backup has no select, so it selects nothing", "as select: { tags: { backup: daily } }"},
		{"schedule", "the backup has no schedule, so it never happens", `as schedule: { cron: "0 2 * * *", time-zone: UTC }`},
		{"method", "the backup has no method", "snapshots or image"},
		{"keep", "the backup has no keep, so it is not said how long backups stay", "as keep: { last: 7 }"},
	} {
		if _, there := f[must.word]; !there {
			r.complain(s.keyPos(), s.path, must.problem, must.hint)
		}
	}
	if v, ok := f["select"]; ok {
		b.Select = r.selector(v)
	}
	if v, ok := f["where"]; ok {
		b.Where = r.where(v, b.Select)
	}
	if v, ok := f["schedule"]; ok {
		r.schedule(v, b)
	}
	if v, ok := f["method"]; ok {
		if word, ok := v.text("snapshots or image"); ok {
			switch word {
			case "snapshots":
				b.Method = MethodSnapshots
			case "image":
				b.Method = MethodImage
			default:
				v.complain("unknown method "+quote(word), meant(word, []string{"snapshots", "image"}))
			}
		}
	}
	if v, ok := f["reboot"]; ok {
		b.Reboot = v.yes()
		if b.Reboot && b.Method == MethodSnapshots {
			r.complain(v.key.pos, v.path, "only method image may reboot the instance", "leave it out")
		}
	}
	if v, ok := f["keep"]; ok {
		b.Keep = r.keep(v)
	}
	if v, ok := f["copies"]; ok {
		b.Copies = r.copies(v, f["select"].peek())
	}
	if v, ok := f["orphans"]; ok {
		b.Orphans = r.orphans(v)
	}
	if v, ok := f["limits"]; ok {
		r.limits(v, &b.Limits)
	}
	if v, ok := f["stuck-after"]; ok {
		if d, ok := v.duration(); ok {
			b.StuckAfter = d
		}
	}
	return b
}

func (r *reader) schedule(s spot, b *Backup) {
	b.WhenPos = s.keyPos()
	f, ok := s.fields(shapeSchedule{}, `cron: "0 2 * * *", or every: 1h`)
	if !ok {
		return
	}
	zoneRight := true
	if v, ok := f["time-zone"]; ok {
		if name, ok := v.text("as Asia/Shanghai, or UTC"); ok {
			zone, problem, hint := r.zone(name)
			if problem != "" {
				v.complain(problem, hint)
				zoneRight = false
			} else {
				b.Zone = zone
			}
		} else {
			zoneRight = false
		}
	}
	cron, hasCron := f["cron"]
	every, hasEvery := f["every"]
	var err error
	switch {
	case hasCron && hasEvery:
		r.complain(s.keyPos(), s.path, "a schedule has cron or every, not both", "leave one out")
		return
	case hasCron:
		text, ok := cron.text(`as "0 2 * * *"`)
		if !ok {
			return
		}
		if b.When, err = schedule.ParseCron(text, b.Zone); err != nil {
			cron.scheduleError(err)
			return
		}
		b.WhenText = b.When.String()
	case hasEvery:
		if !every.wanted(kindText, "as 1h") {
			return
		}
		if b.When, err = schedule.ParseEvery(every.n.text); err != nil {
			every.scheduleError(err)
			return
		}
		b.WhenText = b.When.String()
		if b.Zone != time.UTC {
			b.WhenText += " " + b.Zone.String() // the calendar that keep counts by
		}
	default:
		r.complain(s.keyPos(), s.path, "a schedule has cron or every, and this has neither", `cron: "0 2 * * *", or every: 1h`)
		return
	}
	if v, ok := f["catch-up"]; ok && zoneRight {
		r.catchUp(v, b)
	}
}

func (r *reader) catchUp(s spot, b *Backup) {
	d, ok := s.duration()
	if !ok {
		return
	}
	b.CatchUp = d
	period := b.When.Period()
	switch {
	case d < time.Minute:
		s.complain("catch-up of "+schedule.FormatDuration(d)+" is too short: a slot is seldom looked at in its very second", "at least 1m")
	case period > 0 && d > period:
		s.warn("catch-up of "+schedule.FormatDuration(d)+" is longer than the "+schedule.FormatDuration(period)+" from one slot to the next; only the newest slot is made up",
			schedule.FormatDuration(period)+" is as good")
	}
}

// Over are warnings about the policies whose schedule has no slot after now, which only somebody who has a clock can say.
func (r Rules) Over(now time.Time) []Complaint {
	var out []Complaint
	for _, p := range r.Policies {
		if p.Backup == nil || p.Disabled {
			continue
		}
		if _, more := p.Backup.When.Next(now); !more {
			out = append(out, Complaint{
				Pos: p.Backup.WhenPos, Path: "policies." + p.Name + ".backup.schedule", Warning: true,
				Problem: "the schedule of policy " + quote(p.Name) + " is over: " + p.Backup.WhenText + " has no slot any more", Hint: "its backups still expire; to stop that too, write disabled: true",
			})
		}
	}
	return sorted(out)
}

func (r *reader) keep(s spot) Keep {
	var k Keep
	f, ok := s.fields(shapeKeep{}, "as last: 7")
	if !ok {
		return k
	}
	for _, c := range []struct {
		word string
		to   *Count
	}{{"last", &k.Last}, {"hourly", &k.Hourly}, {"daily", &k.Daily}, {"weekly", &k.Weekly}, {"monthly", &k.Monthly}, {"yearly", &k.Yearly}} {
		if v, ok := f[c.word]; ok {
			*c.to = r.count(v)
		}
	}
	if v, ok := f["within"]; ok {
		k.Within, _ = v.duration()
	}
	if len(s.n.entries) == 0 {
		s.complain("keep keeps nothing", "as keep: { last: 7 }")
	}
	return k
}

func (r *reader) count(s spot) Count {
	if !s.is(kindMap) {
		n, _ := s.whole(MaxCount)
		return Count{N: n}
	}
	f, ok := s.fields(shapeFromTag{}, "")
	if !ok {
		return Count{}
	}
	c := Count{N: DefaultCount}
	v, there := f["from-tag"]
	if !there {
		r.complain(s.keyPos(), s.path, s.what()+"has no from-tag", "a number, or { from-tag: KEY, default: N }")
		return Count{}
	}
	if key, ok := v.tagKey(v.n); ok {
		c.FromTag = key
	}
	if v, ok := f["default"]; ok {
		if n, ok := v.whole(MaxCount); ok {
			c.N = n
		}
	}
	return c
}

func (r *reader) orphans(s spot) Orphans {
	const example = "keep, or { within: 90d }"
	if s.is(kindText) {
		if s.n.text != "keep" {
			s.complain("orphans is "+example+", not "+quote(s.n.text), "")
		}
		return Orphans{}
	}
	f, ok := s.fields(shapeOrphanAge{}, example)
	if !ok {
		return Orphans{}
	}
	v, there := f["within"]
	if !there {
		s.complain("orphans says neither keep nor within", example)
		return Orphans{}
	}
	d, _ := v.duration()
	return Orphans{Within: d}
}

func (r *reader) limits(s spot, l *Limits) {
	f, ok := s.fields(shapeLimits{}, "as deletes: 20")
	if !ok {
		return
	}
	for _, c := range []struct {
		word string
		most int
		to   *int
	}{{"at-once", 10_000, &l.AtOnce}, {"stop-after-failures", 10_000, &l.StopAfterFailures}, {"deletes", 1_000_000, &l.Deletes}} {
		if v, ok := f[c.word]; ok {
			*c.to, _ = v.whole(c.most)
		}
	}
	if v, ok := f["delete-share"]; ok {
		if share, ok := v.share(); ok {
			l.DeleteShare = share
		}
	}
}

// share reads 30% or 0.3.
func (s spot) share() (float64, bool) {
	if !s.wanted(kindText, "as 30%") {
		return 0, false
	}
	text, percent := strings.CutSuffix(strings.TrimSpace(s.n.text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		s.complain(s.what()+"wants a share, not "+quote(s.n.text), "as 30% or 0.3")
		return 0, false
	}
	if percent {
		v /= 100
	}
	if v > 0 && v <= 1 {
		return v, true
	}
	hint := "more than 0%, at most 100%"
	if !percent && v > 1 && v <= 100 {
		hint = "did you mean " + text + "%?"
	}
	s.complain(quote(s.n.text)+" is no share of the whole", hint)
	return 0, false
}
