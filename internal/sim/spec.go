package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/policy"
)

// Spec is the world of one seed, as it is drawn.
type Spec struct {
	Seed      uint64
	Days      int // of trouble
	Calm      int // days at the end without faults, after which all must be well
	Accounts  []account
	Policies  []rule
	Processes int  // at work at the same time
	Shared    bool // they share one queue of wake-ups, which outlives them, as on PostgreSQL
	Faults    faults
	Writes    float64       // calls a second that change something, in each place
	Making    time.Duration // how long a snapshot or an image takes, at most
	Lag       time.Duration // how far listings are behind, at most
}

type account struct {
	name, cloud string
	regions     []string
	instances   int
}

// rule is one policy as the model knows it.
type rule struct {
	name     string
	tag      string // instances with this tag are selected
	hours    []int  // of the slots, in UTC
	minute   int
	catchUp  time.Duration
	image    bool // else snapshots
	last     int
	fromTag  bool // last comes from the tag's value
	daily    int
	within   time.Duration
	orphans  time.Duration // zero: kept
	atOnce   int
	disabled bool
}

// faults are how often things go wrong: one in so many calls, never when zero.
type faults struct {
	throttled, refused, before, after, lost, slow, denied int // calls to a cloud
	storeBefore, storeAfter                               int // calls to the store
	fail, stall                                           int // work in the cloud
	kills                                                 int // in all
	wakeups                                               int // wake-ups that are lost, or given twice
	people                                                int // acts of people in all
	clock                                                 int // times that a clock is wrong
	edits                                                 int // of the policies
	lose                                                  int // times that the database is lost
}

// pick draws one of the choices.
func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// Draw draws the world of a seed.
func Draw(seed uint64, days int) Spec {
	r := rand.New(rand.NewPCG(seed, 1))
	s := Spec{Seed: seed, Days: days - 3, Calm: 3, Processes: 1, Making: pick(r, time.Minute, 7*time.Minute, 40*time.Minute)}
	s.Lag = pick(r, 0, 0, 20*time.Second, 2*time.Minute)
	if r.IntN(2) == 0 {
		s.Shared, s.Processes = true, 1+r.IntN(3)
	}
	for i := range pick(r, 1, 1, 1, 2) { // worlds are small: what goes wrong in a large one does so in a small one
		a := account{name: fmt.Sprintf("acc%d", i+1), cloud: pick(r, "aws", "aws", "openstack", "alibaba", "tencent"), regions: []string{"r1"}, instances: pick(r, 1, 1, 2, 2, 3)}
		if r.IntN(6) == 0 {
			a.regions = append(a.regions, "r2")
		}
		s.Accounts = append(s.Accounts, a)
	}
	for i := range pick(r, 1, 1, 1, 2) {
		s.Policies = append(s.Policies, drawRule(r, fmt.Sprintf("p%d", i+1)))
	}
	rare := func(most int) int { // never, seldom or often
		switch r.IntN(3) {
		case 0:
			return 0
		case 1:
			return most * 8
		}
		return most
	}
	s.Faults = faults{
		throttled: rare(10), refused: rare(80), before: rare(15), after: rare(15), lost: rare(15), slow: rare(20), denied: rare(60),
		storeBefore: rare(300), storeAfter: rare(400), fail: rare(6), stall: rare(40), kills: r.IntN(13), wakeups: rare(60),
		people: r.IntN(25), clock: pick(r, 0, 0, 1, 2), edits: r.IntN(4),
	}
	if r.IntN(8) == 0 {
		s.Faults.lose = 1
	}
	if s.Writes = 20; r.IntN(4) == 0 {
		s.Writes = 0.02 // much may happen between a plan and its last action
	}
	return s
}

func drawRule(r *rand.Rand, name string) rule {
	p := rule{
		name: name, tag: "keep-" + name, minute: r.IntN(60), catchUp: pick(r, 3*time.Hour, 4*time.Hour, 6*time.Hour),
		image: r.IntN(2) == 0, last: 1 + r.IntN(4), orphans: pick(r, 0, 0, 36*time.Hour),
	}
	switch r.IntN(20) {
	default:
		p.hours = []int{r.IntN(24)}
	case 0, 1, 2, 3, 4:
		first := r.IntN(12)
		p.hours = []int{first, first + 12}
	case 5:
		first := r.IntN(6)
		p.hours = []int{first, first + 6, first + 12, first + 18}
	}
	drawKeep(r, &p)
	if r.IntN(5) == 0 {
		p.atOnce = 1
	}
	return p
}

func drawKeep(r *rand.Rand, p *rule) {
	p.fromTag, p.daily, p.within = false, 0, 0
	if p.last = 1 + r.IntN(6); r.IntN(4) == 0 {
		p.last = 1
	}
	switch r.IntN(5) {
	case 0:
		p.fromTag = true
	case 1:
		p.daily = 1 + r.IntN(3)
	case 2:
		p.within, p.last = pick(r, 20*time.Hour, 50*time.Hour), 0
	case 3:
		p.within = 30 * time.Hour
	}
}

// yaml is the policy file.
func (s Spec) yaml(rules []rule) string {
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, a := range s.Accounts {
		fmt.Fprintf(&b, "  %s: { cloud: %s, regions: [%s] }\n", a.name, a.cloud, strings.Join(a.regions, ", "))
	}
	if len(rules) > 0 {
		b.WriteString("policies:\n")
	}
	for _, p := range rules {
		b.WriteString(p.yaml())
	}
	return b.String()
}

func (p rule) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n", p.name)
	if p.disabled {
		b.WriteString("    disabled: true\n")
	}
	hours := make([]string, len(p.hours))
	for i, h := range p.hours {
		hours[i] = fmt.Sprint(h)
	}
	method := "snapshots"
	if p.image {
		method = "image"
	}
	var keep []string
	switch {
	case p.fromTag:
		keep = append(keep, fmt.Sprintf("last: { from-tag: %s, default: 2 }", p.tag))
	case p.last > 0:
		keep = append(keep, fmt.Sprintf("last: %d", p.last))
	}
	if p.daily > 0 {
		keep = append(keep, fmt.Sprintf("daily: %d", p.daily))
	}
	if p.within > 0 {
		keep = append(keep, fmt.Sprintf("within: %dh", int(p.within.Hours())))
	}
	fmt.Fprintf(&b, "    backup:\n      select: { tags: { %s: \"*\" } }\n", p.tag)
	fmt.Fprintf(&b, "      schedule: { cron: \"%d %s * * *\", catch-up: %dm }\n", p.minute, strings.Join(hours, ","), int(p.catchUp.Minutes()))
	fmt.Fprintf(&b, "      method: %s\n      keep: { %s }\n", method, strings.Join(keep, ", "))
	if p.orphans > 0 {
		fmt.Fprintf(&b, "      orphans: { within: %dh }\n", int(p.orphans.Hours()))
	}
	if p.atOnce > 0 {
		fmt.Fprintf(&b, "      limits: { at-once: %d }\n", p.atOnce)
	}
	return b.String()
}

// parse reads the rules as the program does.
func (s Spec) parse(rules []rule) (policy.Rules, error) {
	text := s.yaml(rules)
	out, complaints := policy.ParseWith(policy.Options{Clouds: []string{"aws", "openstack", "alibaba", "tencent"}}, []policy.File{{Name: "sim.yaml", Data: []byte(text)}})
	if policy.Refused(complaints) {
		return out, fmt.Errorf("the drawn policies are refused: %v\n%s", complaints, text)
	}
	return out, nil
}

// slots lists the instants of the rule in (from, to].
func (p rule) slots(from, to time.Time) []time.Time {
	var out []time.Time
	for day := from.UTC().Truncate(24 * time.Hour); !day.After(to); day = day.Add(24 * time.Hour) {
		for _, h := range p.hours {
			at := day.Add(time.Duration(h)*time.Hour + time.Duration(p.minute)*time.Minute)
			if at.After(from) && !at.After(to) {
				out = append(out, at)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// delays are how long things take in this world.
func (s Spec) delays(r *rand.Rand) memcloud.Delays {
	most := func() time.Duration { return s.Making/4 + time.Duration(r.Int64N(int64(s.Making))) }
	return memcloud.Delays{Snapshot: most(), Image: most(), Disk: time.Minute, Instance: time.Minute, Reboot: time.Minute, Delete: pick(r, 0, 0, 10*time.Second)}
}
