package local

import "container/heap"

// line is one queue: who waits, the earliest first, and how many of its slots are taken.
type line struct {
	slots, busy int
	waiting     waiting
}

func (l *line) add(v *entry) { heap.Push(&l.waiting, v) }

func (l *line) remove(v *entry) { heap.Remove(&l.waiting, v.place) }

// first takes out the earliest.
func (l *line) first() *entry { return heap.Pop(&l.waiting).(*entry) }

// waiting is a heap by time, then key.
type waiting []*entry

func (w waiting) Len() int { return len(w) }

func (w waiting) Less(i, j int) bool {
	if c := w[i].at.Compare(w[j].at); c != 0 {
		return c < 0
	}
	return w[i].key < w[j].key
}

func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].place, w[j].place = i, j
}

// Push is for container/heap alone.
func (w *waiting) Push(v any) {
	e := v.(*entry)
	e.place = len(*w)
	*w = append(*w, e)
}

// Pop is for container/heap alone.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	e := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	e.place = -1
	return e
}
