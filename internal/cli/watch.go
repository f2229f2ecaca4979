package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
)

// watch shows what happens while it happens: bars on a terminal, a line for each action otherwise. It writes to
// standard error, so that output stays clean.
type watch struct {
	shell *shell
	t     terminal
	mute  bool

	mu    sync.Mutex
	bars  progress.Writer // nil while nothing is drawn
	drawn chan struct{}
	looks *progress.Tracker
	acts  *progress.Tracker
	waits *progress.Tracker
	total int64 // actions that were started
	ended int64
	most  int64 // most things that were in the making at once
}

func (s *shell) watch() *watch {
	return &watch{shell: s, t: s.terminal(s.Err), mute: s.quiet || s.json()}
}

// event takes what an app says.
func (w *watch) event(e app.Event) {
	if w.mute {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.What {
	case "surveyed":
		w.look(e)
	case "resumed":
		w.log("%s the run %s, which an earlier process left open", w.t.cyan("finishing"), e.Run)
		w.total += int64(e.N)
		w.act()
	case "started":
		w.total += int64(e.N)
		w.act()
	case string(store.ActionDone), string(store.ActionFailed), string(store.ActionSkipped), string(store.ActionCancelled):
		w.ended++
		w.act()
		if e.Action != nil {
			w.tell(*e.Action)
		}
	}
}

func (w *watch) look(e app.Event) {
	if !w.t.live || w.total > 0 {
		return
	}
	if w.looks == nil {
		w.looks = &progress.Tracker{Message: "Looking at the clouds", Units: progress.UnitsDefault}
		w.draw(w.looks)
	}
	w.looks.Increment(1)
	w.looks.UpdateMessage("Looking at " + e.Scope.Place().String())
}

func (w *watch) act() {
	if !w.t.live || w.total == 0 {
		return
	}
	if w.acts == nil {
		if w.looks != nil {
			w.looks.MarkAsDone()
		}
		w.acts = &progress.Tracker{Message: "Carrying out", Total: w.total, Units: progress.UnitsDefault}
		w.draw(w.acts)
	}
	w.acts.UpdateTotal(w.total)
	w.acts.SetValue(w.ended)
}

// tell writes one line for an action: each without a terminal, what went wrong on one.
func (w *watch) tell(row store.ActionRow) {
	if w.t.live && row.State == store.ActionDone {
		return
	}
	switch row.State {
	case store.ActionDone:
		w.log("%s %s %s%s", w.t.sign(row.Verb), done(row.Verb), subject(row.Action), madeText(row.Made))
	case store.ActionFailed:
		w.log("%s %s %s failed: %s", w.t.red("✗"), deed(row.Verb), subject(row.Action), row.Problem)
	default:
		w.log("%s %s %s: %s: %s", w.t.yellow("·"), deed(row.Verb), subject(row.Action), row.State, row.Problem)
	}
}

func madeText(refs []cloud.Ref) string {
	if len(refs) == 0 {
		return ""
	}
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.ID
	}
	return " → " + strings.Join(ids, ", ")
}

// follow shows how many things the clouds are still making, until ctx ends.
func (w *watch) follow(ctx context.Context, st store.Store) (stop func()) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	look := func(ctx context.Context) {
		rows, err := st.Surveys(ctx)
		if err != nil {
			return // the command itself says so
		}
		n := 0
		for _, r := range rows {
			n += len(r.Watching)
		}
		w.pending(int64(n))
	}
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			look(ctx)
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if outer.Err() == nil {
			look(outer)
		}
	}
}

func (w *watch) pending(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute || n == 0 && w.most == 0 {
		return
	}
	told := w.most == 0
	w.most = max(w.most, n)
	if !w.t.live {
		if told {
			w.log("the clouds are making %s; this may take a while", count(int(n), "thing", "things"))
		}
		return
	}
	if w.waits == nil {
		w.waits = &progress.Tracker{Message: "In the making", Total: w.most, Units: progress.UnitsDefault}
		w.draw(w.waits)
	}
	w.waits.UpdateTotal(w.most)
	w.waits.SetValue(w.most - n)
	if n == 0 {
		w.waits.UpdateMessage("Made")
		return
	}
	w.waits.UpdateMessage(fmt.Sprintf("In the making: %s", thousands(int(n))))
}

// log writes a line above the bars, or just a line.
func (w *watch) log(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if w.bars != nil {
		w.bars.Log("%s", line)
		return
	}
	fmt.Fprintln(w.shell.Err, line)
}

func (w *watch) draw(t *progress.Tracker) {
	if w.bars == nil {
		b := progress.NewWriter()
		b.SetOutputWriter(w.shell.Err)
		b.SetUpdateFrequency(100 * time.Millisecond)
		b.SetTrackerLength(min(24, max(w.t.width/4, 8)))
		b.SetMessageLength(min(40, max(w.t.width/2-4, 16)))
		b.SetTrackerPosition(progress.PositionRight)
		style := progress.StyleBlocks
		style.Visibility = progress.StyleVisibility{Tracker: true, Value: true, Time: true}
		style.Colors = progress.StyleColors{}
		if w.t.color {
			style.Colors = progress.StyleColors{Message: text.Colors{text.Bold}, Tracker: text.Colors{text.FgCyan}, Stats: text.Colors{text.Faint}}
		}
		style.Options = progress.StyleOptions{DoneString: "", ErrorString: "", Separator: " ", SnipIndicator: "…", TimeDonePrecision: time.Second, TimeInProgressPrecision: time.Second}
		b.SetStyle(style)
		w.bars, w.drawn = b, make(chan struct{})
		go func(b progress.Writer, drawn chan struct{}) {
			defer close(drawn)
			b.Render()
		}(b, w.drawn)
	}
	w.bars.AppendTracker(t)
}

// stop ends the drawing; a later event begins it again.
func (w *watch) stop() {
	w.mu.Lock()
	bars, drawn := w.bars, w.drawn
	for _, t := range []*progress.Tracker{w.looks, w.acts, w.waits} {
		if t != nil {
			t.MarkAsDone()
		}
	}
	w.bars, w.drawn, w.looks, w.acts, w.waits = nil, nil, nil, nil, nil
	w.mu.Unlock()
	if bars != nil {
		for !bars.IsRenderInProgress() {
			select {
			case <-drawn:
				return
			case <-time.After(time.Millisecond):
			}
		}
		bars.Stop()
		<-drawn
	}
}
