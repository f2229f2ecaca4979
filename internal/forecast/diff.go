package forecast

import (
	"slices"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Change is what becomes different when one set of rules gives way to another.
type Change struct {
	Format   int       `json:"format"` // of this document: 1
	From     time.Time `json:"from"`
	Tomorrow time.Time `json:"tomorrow"` // a day later: so far the deletions below reach
	Until    time.Time `json:"until"`

	Deletes []Changed `json:"deletes"` // goes within a day, and would stay otherwise
	Stops   []Changed `json:"stops"`   // the same, but the breaker alone keeps it
	Spares  []Changed `json:"spares"`  // would go within a day, and stays
	Later   Later     `json:"later"`

	Total    Shift   `json:"total"`
	Places   []Shift `json:"places"`
	Breakers []Trip  `json:"breakers"` // by the new rules
}

// Changed is one backup whose fate changes.
type Changed struct {
	Deletion
	Otherwise time.Time `json:"otherwise,omitzero"` // when it goes by the other rules; zero: not within the forecast
}

// Later counts backups of today until the end of the forecast.
type Later struct {
	Deletes int `json:"deletes"` // that go, and would stay otherwise
	Spares  int `json:"spares"`  // that stay, and would go otherwise
}

// Shift is one place, or all of them, before and after.
type Shift struct {
	Place      cloud.Place `json:"place,omitzero"`
	Now        Level       `json:"now"`
	EndBefore  Level       `json:"end-before"`
	EndAfter   Level       `json:"end-after"`
	PeakBefore Level       `json:"peak-before"`
	PeakAfter  Level       `json:"peak-after"`
}

// Diff compares two forecasts of the same world from the same moment.
func Diff(before, after Forecast) Change {
	c := Change{
		Format: 1, From: after.From, Tomorrow: after.From.Add(24 * time.Hour), Until: after.Until,
		Deletes: []Changed{}, Stops: []Changed{}, Spares: []Changed{}, Places: []Shift{}, Breakers: after.Breakers,
		Total: shift(before.Total, after.Total),
	}
	old, fresh := gone(before), gone(after)
	soon := func(at time.Time, ok bool) bool { return ok && at.Before(c.Tomorrow) }
	for _, d := range after.Deletes {
		at, ok := old[thing(d)]
		if soon(d.At, true) && !soon(at, ok) {
			c.Deletes = append(c.Deletes, Changed{d, at})
		}
		if !ok {
			c.Later.Deletes++
		}
	}
	for _, t := range after.Breakers {
		for _, d := range t.Stops {
			at, ok := old[thing(d)]
			if newAt, goes := fresh[thing(d)]; soon(d.At, true) && !soon(at, ok) && !soon(newAt, goes) && !stopped(before, d) {
				c.Stops = append(c.Stops, Changed{d, at})
			}
		}
	}
	for _, d := range before.Deletes {
		at, ok := fresh[thing(d)]
		if soon(d.At, true) && !soon(at, ok) {
			c.Spares = append(c.Spares, Changed{d, at})
		}
		if !ok {
			c.Later.Spares++
		}
	}
	for _, s := range after.Places {
		was := Sum{Place: s.Place}
		if i := slices.IndexFunc(before.Places, func(o Sum) bool { return o.Place == s.Place }); i >= 0 {
			was = before.Places[i]
		}
		c.Places = append(c.Places, shift(was, s))
	}
	for _, s := range before.Places {
		if !slices.ContainsFunc(after.Places, func(o Sum) bool { return o.Place == s.Place }) {
			c.Places = append(c.Places, shift(s, Sum{Place: s.Place}))
		}
	}
	slices.SortFunc(c.Places, func(a, b Shift) int { return a.Place.Compare(b.Place) })
	return c
}

// thing tells one place's part of a backup from those elsewhere.
func thing(d Deletion) string { return d.Backup + " " + d.Place.String() }

func gone(f Forecast) map[string]time.Time {
	out := map[string]time.Time{}
	for _, d := range f.Deletes {
		out[thing(d)] = d.At
	}
	return out
}

// stopped says whether the breaker keeps the backup by these rules already.
func stopped(f Forecast, d Deletion) bool {
	return slices.ContainsFunc(f.Breakers, func(t Trip) bool {
		return slices.ContainsFunc(t.Stops, func(o Deletion) bool { return thing(o) == thing(d) })
	})
}

func shift(before, after Sum) Shift {
	return Shift{Place: after.Place, Now: after.Now, EndBefore: before.End, EndAfter: after.End, PeakBefore: before.Peak, PeakAfter: after.Peak}
}
