package notice

import (
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

const day = 24 * time.Hour

// reminderAt gives how long after an incident opened its nth reminder (from 1) is due: 1 d, 3 d, 7 d, then weekly.
func reminderAt(n int) time.Duration {
	switch n {
	case 1:
		return day
	case 2:
		return 3 * day
	default:
		return time.Duration(n-2) * 7 * day
	}
}

// timing holds what decides when an incident is told.
type timing struct {
	settle    time.Duration // people wait this long for the rest of an outage
	interval  time.Duration // between two messages about one incident that comes and goes
	lease     time.Duration // a worker that claimed an incident and is silent for so long has died
	reminders int
}

// stage counts the tellings of an incident that were due at t: none before it opened, one when it opened, and one more
// with every reminder.
//
// An incident's row says with this how far its telling is, without a field for it. A worker claims a row by setting
// ToldAt to now, sends, and then sets Told to the stage of ToldAt. So a row with fewer tellings than the stage of its
// ToldAt is in the hands of a worker, or was in the hands of one that died, which shows when the lease is over.
func (r timing) stage(in store.Incident, t time.Time) int {
	if t.IsZero() || t.Before(in.OpenedAt) {
		return 0
	}
	n := 1
	for n <= r.reminders && !t.Before(in.OpenedAt.Add(reminderAt(n))) {
		n++
	}
	return n
}

// told counts the finished tellings of the incident since it opened; those before it opened anew do not count.
func told(in store.Incident) int {
	if in.ToldAt.IsZero() || in.ToldAt.Before(in.OpenedAt) {
		return 0
	}
	return in.Told
}

// due says when the incident is to be told, and false when it never is as it stands. An incident that becomes ripe
// joins whatever is sent; due is when it is sent even if nothing else is.
func (r timing) due(in store.Incident) (ripe, due time.Time, ok bool) {
	before := !in.ToldAt.IsZero() && in.ToldAt.Before(in.OpenedAt) // told of before, and it came again
	switch {
	case !in.ClosedAt.IsZero():
		if in.Told == 0 || in.ToldEnd {
			return ripe, due, false
		}
		ripe = in.ClosedAt
		if !in.ToldAt.Before(in.ClosedAt) {
			ripe = in.ToldAt.Add(r.lease)
			return ripe, ripe, true
		}
	case told(in) < r.stage(in, in.ToldAt):
		ripe = in.ToldAt.Add(r.lease)
		return ripe, ripe, true
	case told(in) == 0:
		ripe = in.OpenedAt
	case told(in) <= r.reminders:
		ripe = later(in.OpenedAt.Add(reminderAt(told(in))), in.ToldAt.Add(r.interval))
	default:
		return ripe, due, false
	}
	if before {
		ripe = later(ripe, in.ToldAt.Add(r.interval))
	}
	return ripe, ripe.Add(r.settle), true
}

// claimed gives the row as a worker writes it before it sends.
func (r timing) claimed(in store.Incident, now time.Time) store.Incident {
	if in.ClosedAt.IsZero() {
		in.Told = told(in)
	}
	in.ToldAt = now
	return in
}

// finished gives the row as a worker writes it after somebody was told what the claimed row said. The row may have
// changed meanwhile: it may have been seen again, closed, or closed and opened anew.
func (r timing) finished(row, claimed store.Incident) store.Incident {
	switch {
	case !row.OpenedAt.Equal(claimed.OpenedAt):
		return row // it opened anew: this telling was about the time before
	case !claimed.ClosedAt.IsZero():
		row.ToldEnd = true
	default:
		row.Told = max(row.Told, r.stage(claimed, claimed.ToldAt))
	}
	return row
}

// addTo puts the line about a row that is told now into the list where it belongs. First says that this is the first
// that its readers hear of it, back that they heard of it before it opened anew.
func (r timing) addTo(d *Digest, in store.Incident, first, back bool) {
	item := newItem(in, r.stage(in, in.ToldAt))
	item.Back = back
	switch {
	case !in.ClosedAt.IsZero():
		d.Recovered = append(d.Recovered, item)
	case first:
		d.Failing = append(d.Failing, item)
	default:
		item.Final = item.stage > r.reminders
		d.Still = append(d.Still, item)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earliest gives the earlier of two instants, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
