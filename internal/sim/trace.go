package sim

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// event is one line of what happened.
type event struct {
	at   time.Time
	who  string // p3, people, fate …
	what string
	note string // what came of it; a line with one is worth reading
	loud bool   // an effect, a fault, an act: part of the short trace
}

func (e event) String() string {
	return strings.TrimRight(fmt.Sprintf("%s:%s  %-7s %s  %s", dayAndHour(e.at), e.at.Format("04:05.000"), e.who, e.what, e.note), " ")
}

// dayAndHour is how every line of the trace begins.
func dayAndHour(at time.Time) string {
	return fmt.Sprintf("day %2d %s", int(at.Sub(epoch)/(24*time.Hour))+1, at.Format("15"))
}

// trace is everything that happened, and a digest of it.
type trace struct {
	events []event
	digest uint64
	steps  int
}

// longest is how many events are kept; the digest covers all.
const longest = 100_000

func (t *trace) add(e event) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %d %s %s %s", t.digest, e.at.UnixNano(), e.who, e.what, e.note)
	t.digest = h.Sum64()
	t.steps++
	if t.events = append(t.events, e); len(t.events) > 2*longest {
		t.events = slices.Clone(t.events[longest:])
	}
}

// whole is every line that is kept.
func (t *trace) whole() string {
	var b strings.Builder
	for _, e := range t.events {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// short is what a person reads: the last loud lines, and before them whatever names one of the words.
func (t *trace) short(lines int, words ...string) string {
	var out []string
	recent, about := 0, 0
	for _, e := range slices.Backward(t.events) {
		text := e.String()
		switch named := slices.ContainsFunc(words, func(w string) bool { return w != "" && strings.Contains(text, w) }); {
		case e.loud && recent < lines/3:
			out = append(out, text)
			recent++
		case named && about < lines && (e.loud || !strings.Contains(text, "store.") && !strings.HasSuffix(text, " begins") && !strings.HasSuffix(text, " is over")):
			out = append(out, text)
			about++
		}
	}
	slices.Reverse(out)
	return strings.Join(out, "\n")
}

// siblingsOf describes the backups of the same source by the same policy as what has one of these ids, oldest first.
func (m *model) siblingsOf(ids []string) string {
	var b strings.Builder
	for _, key := range m.order {
		own := m.backups[key]
		if !slices.ContainsFunc(own.parts, func(t *thing) bool { return slices.Contains(ids, t.ref.ID) }) {
			continue
		}
		for _, o := range m.siblings(own) {
			fmt.Fprintf(&b, "backup of %s at %s:", o.slot, o.at().Format(time.DateTime))
			for _, t := range o.parts {
				fmt.Fprintf(&b, " %s %s", t.ref.ID, t.state)
				if !t.held.IsZero() {
					fmt.Fprintf(&b, " held since %s", t.held.Format(time.DateTime))
				}
				if !t.goneAt.IsZero() {
					fmt.Fprintf(&b, " gone %s by %s", t.goneAt.Format(time.DateTime), t.goneBy)
				}
				b.WriteByte(';')
			}
			b.WriteByte('\n')
		}
		break
	}
	return b.String()
}
