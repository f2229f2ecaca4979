package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones mean the same on every machine, also where none are installed

	"github.com/stint-cloud/stint/internal/cloud"
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

func (r *reader) selector(s spot) Select {
	var out Select
	f, ok := s.fields(shapeSelect{}, "as tags: { backup: daily }")
	if !ok {
		return out
	}
	var accounts []spot
	if v, ok := f["accounts"]; ok {
		if list, ok := v.texts("as [web]"); ok {
			accounts = r.knownAccounts(list)
			out.Accounts = words(list)
		}
	}
	if v, ok := f["regions"]; ok {
		if list, ok := v.texts("as [us-east-1]"); ok {
			r.knownRegions(list, accounts, f)
			out.Regions = words(list)
		}
	}
	if v, ok := f["tags"]; ok {
		out.Tags = r.tags(v)
	}
	if v, ok := f["ids"]; ok {
		out.IDs = r.ids(v)
	}
	if v, ok := f["except"]; ok {
		if ef, ok := v.fields(shapeExcept{}, "tags or ids"); ok {
			if t, ok := ef["tags"]; ok {
				out.Except.Tags = r.tags(t)
			}
			if t, ok := ef["ids"]; ok {
				out.Except.IDs = r.ids(t)
			}
			if len(ef) == 0 && len(v.n.entries) == 0 {
				v.warn("except is empty", "leave it out")
			}
		}
	}
	known := 0
	for word := range f {
		if word != "except" {
			known++
		}
	}
	if known == 0 {
		s.complain("select selects nothing", "say accounts, regions, tags or ids; all instances of an account are selected by its name")
	}
	return out
}

// knownAccounts complains about names that no file has.
func (r *reader) knownAccounts(list []spot) (known []spot) {
	names := make([]string, 0, len(r.accounts))
	for name := range r.accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, s := range list {
		if _, there := r.accounts[s.n.text]; there {
			known = append(known, s)
		} else if !r.unread {
			hint := meant(s.n.text, names)
			if len(names) == 0 {
				hint = "no file has an account"
			}
			s.complain("there is no account "+quote(s.n.text), hint)
		}
	}
	return known
}

// knownRegions complains about regions that no account in question lists, and about accounts that list none of them.
func (r *reader) knownRegions(list, accounts []spot, f fields) {
	if r.unread {
		return
	}
	var names []string
	if _, said := f["accounts"]; said {
		names = words(accounts)
	} else {
		for name := range r.accounts {
			names = append(names, name)
		}
	}
	var regions []string
	for _, name := range names {
		a := r.accounts[name]
		if len(a.value.Regions) == 0 {
			return // it may use any, or what it lists is wrong itself
		}
		regions = append(regions, a.value.Regions...)
	}
	if len(names) == 0 {
		return
	}
	regions = unique(regions)
	wrong := false
	for _, s := range list {
		if !contains(regions, s.n.text) {
			wrong = true
			s.complain("no account that is selected has region "+quote(s.n.text), meant(s.n.text, regions))
		}
	}
	wanted := words(list)
	for _, s := range accounts {
		has := slices.ContainsFunc(wanted, func(region string) bool { return contains(r.accounts[s.n.text].value.Regions, region) })
		if !wrong && !has {
			s.warn("account "+quote(s.n.text)+" has none of the regions that are selected, so nothing of it is", oneOf(r.accounts[s.n.text].value.Regions))
		}
	}
}

func (r *reader) ids(s spot) []string {
	list, ok := s.texts("as [i-0abc]")
	if !ok {
		return nil
	}
	for _, item := range list {
		if strings.ContainsAny(item.n.text, " \t*") || len(item.n.text) > 255 {
			item.complain(quote(item.n.text)+" is no id of an instance", "")
		}
	}
	return words(list)
}

// tags reads the tags of a selector. A value is the text as it stands in the file, whatever YAML would make of it.
func (r *reader) tags(s spot) []TagMatch {
	pairs, ok := s.pairs("as { backup: daily }")
	if !ok {
		return nil
	}
	if len(pairs) == 0 {
		s.complain("tags is empty, so it selects nothing", "as { backup: daily }")
	}
	out := make([]TagMatch, 0, len(pairs))
	for _, p := range pairs {
		key, ok := p.tagKey(p.key)
		if !ok {
			continue
		}
		m := TagMatch{Key: key}
		switch {
		case p.is(kindList):
			if len(p.n.items) == 0 {
				p.complain("tag "+quote(key)+" has an empty list of values", `write "*" for any value`)
			}
			for i, n := range p.n.items {
				item := spot{r: r, n: n, key: p.key, path: p.path + "[" + strconv.Itoa(i) + "]"}
				if v, ok := item.tagValue(); ok {
					if v == "*" {
						item.complain(`"*" stands among other values, and means any value`, `write "*" alone`)
						continue
					}
					m.Values = append(m.Values, v)
				}
			}
			m.Values = unique(m.Values)
		default:
			if v, ok := p.tagValue(); ok && v != "*" {
				m.Values = []string{v}
			}
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b TagMatch) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// tagValue reads one value; quoted empty text is a value too.
func (s spot) tagValue() (string, bool) {
	const hint = `write "*" for any value, "" for the empty one`
	switch {
	case s.is(kindNull):
		s.complain("tag "+quote(s.key.text)+" has no value", hint)
		return "", false
	case !s.is(kindText):
		s.complain("tag "+quote(s.key.text)+" wants a value or a list of values, not "+s.n.kind.String(), hint)
		return "", false
	case len(s.n.text) > 1024:
		s.complain(fmt.Sprintf("the value of tag %s is longer than any cloud allows", quote(s.key.text)), "")
		return "", false
	}
	if v := s.n.text; v != "*" && strings.HasSuffix(v, "*") {
		s.warn(quote(v)+" means just this text", `only "*" alone means any value; for more there is where: tags["`+s.key.text+`"].startsWith("`+strings.TrimSuffix(v, "*")+`")`)
	}
	return s.n.text, true
}

// tagKey reads a key that may be selected by.
func (s spot) tagKey(n *node) (string, bool) {
	key := n.text
	pos := n.pos
	switch {
	case n.kind != kindText:
		return s.text("the key of a tag")
	case strings.TrimSpace(key) == "" || len(key) > 255:
		s.r.complain(pos, s.path, "the key of a tag is empty, or longer than any cloud allows", "")
	case strings.HasPrefix(strings.ToLower(key), cloud.TagPrefix):
		s.r.complain(pos, s.path, "tag "+quote(key)+" is Stint's own, and cannot be chosen by", "choose another tag")
	default:
		return key, true
	}
	return "", false
}
