package forecast

import (
	"cmp"
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

// lane counts the backups of one policy and kind in one place over time.
type lane struct {
	laneKey
	start amount
	moves []move                 // in order of time
	why   map[int]map[string]int // by day
	price *policy.Price          // nil: not known
}

type laneKey struct {
	policy string
	place  cloud.Place
	kind   cloud.Kind
}

// amount is a number of backups.
type amount struct {
	backups, unknown int
	bytes            int64
}

func (a *amount) add(o amount, sign int) {
	a.backups += sign * o.backups
	a.unknown += sign * o.unknown
	a.bytes += int64(sign) * o.bytes
}

// times is so many backups of one size.
func (s size) times(n int) amount {
	if !s.known {
		return amount{backups: n, unknown: n}
	}
	return amount{backups: n, bytes: int64(n) * s.bytes}
}

// move is what comes and what goes at one moment: what comes, comes first.
type move struct {
	at         int64
	made, gone amount
}

func (m *maker) lane(key laneKey) *lane {
	l := m.lanes[key]
	if l == nil {
		l = &lane{laneKey: key, why: map[int]map[string]int{}}
		if p, ok := policy.FindPrice(m.in.Prices, m.cloudOf(key.place.Account), key.place.Region, key.kind.String()); ok {
			l.price = &p
		}
		m.lanes[key] = l
		m.order = append(m.order, l)
	}
	return l
}

// cloudOf names the cloud of an account.
func (m *maker) cloudOf(account string) string {
	if a, ok := m.in.Rules.FindAccount(account); ok {
		return a.Cloud
	}
	return m.world.Accounts[account].Traits.Cloud
}

// exists counts a backup of today.
func (m *maker) exists(b *inventory.Backup) *lane {
	l := m.lane(laneKey{b.Policy, b.Place, kindOf(b)})
	l.start.add(sizeOf(b).times(1), 1)
	m.policy(b.Policy)
	return l
}

func (l *lane) move(at time.Time) *move {
	if n := len(l.moves); n == 0 || l.moves[n-1].at != at.Unix() {
		l.moves = append(l.moves, move{at: at.Unix()})
	}
	return &l.moves[len(l.moves)-1]
}

func (l *lane) make(at time.Time, a amount) { l.move(at).made.add(a, 1) }

func (l *lane) drop(at time.Time, a amount) { l.move(at).gone.add(a, 1) }

// reason counts why so many go on a day.
func (l *lane) reason(day, n int, why string) {
	if l.why[day] == nil {
		l.why[day] = map[string]int{}
	}
	l.why[day][why] += n
}

// day is the number of the day that a moment is in; today is 0.
func (m *maker) day(at time.Time) int {
	return int(at.Sub(m.in.Now.Truncate(24*time.Hour)) / (24 * time.Hour))
}

// sortedLanes are all lanes in the order in which they are told.
func (m *maker) sortedLanes() []*lane {
	out := slices.Clone(m.order)
	slices.SortFunc(out, func(a, b *lane) int {
		return cmp.Or(a.place.Compare(b.place), cmp.Compare(a.policy, b.policy), cmp.Compare(a.kind, b.kind))
	})
	return out
}
