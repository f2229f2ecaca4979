package forecast

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

const gib = 1 << 30

// step is one lane's move.
type step struct {
	lane int
	move
}

// count walks through all moves in order of time and fills in the days, the places and the sums.
func (m *maker) count(f *Forecast) {
	lanes := m.sortedLanes()
	now := make([]amount, len(lanes)) // what there is in each lane
	var steps []step
	for i, l := range lanes {
		now[i] = l.start
		for _, mv := range l.moves {
			steps = append(steps, step{i, mv})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	sums, of := m.sums(lanes, now)
	today := m.in.Now.Truncate(24 * time.Hour)
	for d, next := 0, 0; d <= m.in.Days; d++ {
		end := today.AddDate(0, 0, d+1).Unix()
		day := Day{Date: today.AddDate(0, 0, d).Format(time.DateOnly), Rows: []Row{}}
		made, gone := make([]int, len(lanes)), make([]int, len(lanes))
		for next < len(steps) && steps[next].at < end {
			from := next
			for ; next < len(steps) && steps[next].at == steps[from].at; next++ {
				s := steps[next]
				now[s.lane].add(s.made, 1)
				made[s.lane] += s.made.backups
			}
			at := time.Unix(steps[from].at, 0).UTC()
			for _, s := range sums {
				s.see(at, now, lanes)
			}
			for _, s := range steps[from:next] {
				now[s.lane].add(s.gone, -1)
				gone[s.lane] += s.gone.backups
			}
		}
		for i, l := range lanes {
			row := Row{
				Place: l.place, Policy: l.policy, Kind: l.kind.String(), Backups: now[i].backups, Bytes: now[i].bytes, Unknown: now[i].unknown,
				Created: made[i], Deleted: gone[i], Why: l.why[d],
			}
			if row.Backups+row.Created+row.Deleted > 0 {
				day.Rows = append(day.Rows, row)
			}
			p := m.policy(l.policy)
			p.Created, p.Deleted = p.Created+made[i], p.Deleted+gone[i]
			for _, s := range []*sum{sums[0], of[l.place]} {
				s.Created, s.Deleted = s.Created+made[i], s.Deleted+gone[i]
			}
			day.Created, day.Deleted = day.Created+made[i], day.Deleted+gone[i]
		}
		day.Level = level(lanes, now, nil)
		date := today.AddDate(0, 0, d)
		share := 1 / float64(time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day())
		day.Cost = scaled(day.PerMonth, share)
		for _, s := range sums {
			s.Cost = plus(s.Cost, scaled(level(lanes, now, s.only).PerMonth, share))
		}
		f.Days = append(f.Days, day)
	}
	for _, s := range sums {
		s.End = level(lanes, now, s.only)
	}
	for name, p := range m.policies {
		p.End = level(lanes, now, func(l *lane) bool { return l.policy == name })
		start := make([]amount, len(lanes))
		for i, l := range lanes {
			start[i] = l.start
		}
		p.Now = level(lanes, start, func(l *lane) bool { return l.policy == name })
	}
	f.Total, f.Places = sums[0].Sum, []Sum{}
	for _, s := range sums[1:] {
		f.Places = append(f.Places, s.Sum)
	}
	f.Unpriced = m.unpriced(lanes)
}

// sum is a Sum that is being counted.
type sum struct {
	Sum
	only func(*lane) bool // nil: all
	in   []int            // its lanes
}

// sums begins the sum of all, and that of each place.
func (m *maker) sums(lanes []*lane, now []amount) (all []*sum, of map[cloud.Place]*sum) {
	total := &sum{}
	all, of = []*sum{total}, map[cloud.Place]*sum{}
	for i, l := range lanes {
		s := of[l.place]
		if s == nil {
			place := l.place
			s = &sum{Sum: Sum{Place: place}, only: func(l *lane) bool { return l.place == place }}
			of[place] = s
			all = append(all, s)
		}
		s.in, total.in = append(s.in, i), append(total.in, i)
	}
	for _, s := range all {
		s.Now = level(lanes, now, s.only)
		s.Peak, s.PeakAt, s.Cost = s.Now, m.in.Now, []Money{}
	}
	return all, of
}

// see looks whether there were never more.
func (s *sum) see(at time.Time, now []amount, lanes []*lane) {
	n := 0
	for _, i := range s.in {
		n += now[i].backups
	}
	if n > s.Peak.Backups {
		s.Peak, s.PeakAt = level(lanes, now, s.only), at
	}
}

// level adds lanes up; only nil means all.
func level(lanes []*lane, now []amount, only func(*lane) bool) Level {
	var out Level
	money := map[string]float64{}
	for i, l := range lanes {
		if only != nil && !only(l) {
			continue
		}
		out.Backups, out.Unknown, out.Bytes = out.Backups+now[i].backups, out.Unknown+now[i].unknown, out.Bytes+now[i].bytes
		if l.price != nil {
			money[l.price.Currency] += float64(now[i].bytes) / gib * l.price.PerGiB
		}
	}
	out.PerMonth = []Money{}
	for _, c := range slices.Sorted(maps.Keys(money)) {
		out.PerMonth = append(out.PerMonth, Money{c, money[c]})
	}
	return out
}

func scaled(list []Money, by float64) []Money {
	out := make([]Money, len(list))
	for i, m := range list {
		out[i] = Money{m.Currency, m.Amount * by}
	}
	return out
}

func plus(a, b []Money) []Money {
	out := slices.Clone(a)
	for _, m := range b {
		i := slices.IndexFunc(out, func(o Money) bool { return o.Currency == m.Currency })
		if i < 0 {
			out = append(out, m)
			continue
		}
		out[i].Amount += m.Amount
	}
	slices.SortFunc(out, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return out
}

// unpriced names what there is or will be backups of without a price.
func (m *maker) unpriced(lanes []*lane) []string {
	out := []string{}
	for _, l := range lanes {
		if l.price == nil && (l.start.backups > 0 || len(l.moves) > 0) {
			out = append(out, m.cloudOf(l.place.Account)+" "+l.place.Region+" "+l.kind.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
