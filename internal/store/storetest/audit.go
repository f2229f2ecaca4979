package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// verified ends the test when the record is not right, and gives what its verifier says.
func verified(t *testing.T, s store.Store, noted ...store.Head) store.Verdict {
	t.Helper()
	got, err := store.VerifyAudit(t.Context(), s, noted...)
	ok(t, "VerifyAudit", err)
	return got
}

func testRecord(t *testing.T, s store.Store) {
	ctx := t.Context()
	ok(t, "Append of nothing", s.Append(ctx))
	anchor, head, err := s.AuditHead(ctx)
	ok(t, "AuditHead", err)
	same(t, "AuditHead of an empty record", []store.Head{anchor, head}, []store.Head{{}, {}})
	want := store.AuditEntry{At: start(), Who: "who", What: "what", Ref: "ref", Action: "action", Run: "run", Outcome: "ok", Code: "code", Request: "request", Detail: "detail"}
	ok(t, "Append", s.Append(ctx, want, store.AuditEntry{At: start(), What: "second"}))
	var many []store.AuditEntry
	for i := range 1_100 {
		many = append(many, store.AuditEntry{At: start(), What: fmt.Sprint(i)})
	}
	ok(t, "Append of 1,100", s.Append(ctx, many...))
	got, err := s.Audit(ctx, store.AuditFilter{})
	ok(t, "Audit", err)
	if len(got) != 1_102 || got[0].What != "1099" || got[1_100].What != "second" {
		t.Fatalf("Audit: got %d entries, the first %q, want 1102, the newest first", len(got), got[0].What)
	}
	for i, e := range got {
		same(t, "Audit: Seq", e.Seq, int64(1_102-i))
	}
	want.Seq, want.Hash = 1, store.Link("", got[1_101])
	same(t, "Audit: the oldest", got[1_101], want)
	_, head, err = s.AuditHead(ctx)
	ok(t, "AuditHead", err)
	same(t, "AuditHead", head, store.Head{Seq: 1_102, Hash: got[0].Hash})
	same(t, "VerifyAudit", verified(t, s, store.Head{Seq: 1, Hash: want.Hash}), store.Verdict{Head: head, Checked: 1_102})

	var walked []store.AuditEntry
	err = s.WalkAudit(ctx, func(a, h store.Head) error {
		same(t, "WalkAudit: the ends", []store.Head{a, h}, []store.Head{anchor, head})
		return nil
	}, func(e store.AuditEntry) error {
		walked = append(walked, e)
		return nil
	})
	ok(t, "WalkAudit", err)
	slices.Reverse(walked)
	same(t, "WalkAudit backwards", walked, got)
	enough := errors.New("enough")
	err = s.WalkAudit(ctx, func(_, _ store.Head) error { return nil }, func(store.AuditEntry) error { return enough })
	wants(t, "WalkAudit that is ended", err, enough)
	err = s.WalkAudit(ctx, func(_, _ store.Head) error { return enough }, func(store.AuditEntry) error { t.Error("each is called"); return nil })
	wants(t, "WalkAudit that is ended before it begins", err, enough)
}

func testRecordTexts(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, text := range append(texts(), "a\x00b", "\xff\xfe half a rune: \xe9\x95", "\x00") {
		e := store.AuditEntry{At: start(), Who: text, What: text, Ref: text, Action: text, Run: text, Outcome: text, Code: text, Request: text, Detail: text}
		ok(t, fmt.Sprintf("Append of %.20q", text), s.Append(ctx, e))
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), start().Add(999 * time.Nanosecond), time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)} {
		ok(t, "Append at "+at.String(), s.Append(ctx, store.AuditEntry{At: at}))
	}
	verified(t, s)
}

func testRecordFilter(t *testing.T, s store.Store) {
	ctx := t.Context()
	begin(t, s, run("r3"), start(), "a3")
	ok(t, "Append", s.Append(
		ctx,
		store.AuditEntry{At: after(1 * time.Minute), Who: "ann", What: "snapshot.create", Ref: "web/us-east-1/snapshot/Ab_1", Action: "a1", Run: "r1", Outcome: "ok"},
		store.AuditEntry{At: after(2 * time.Minute), Who: "bob", What: "snapshot.delete", Ref: "web/us-east-1/snapshot/ab%2", Action: "a2", Run: "r1", Outcome: "denied"},
		store.AuditEntry{At: after(3 * time.Minute), Who: "ann", What: "image.create", Ref: "db/us-east-1/image/abx1", Action: "a3", Run: "r2", Outcome: "ok"},
		store.AuditEntry{At: after(4 * time.Minute), Who: "長", What: "長.hold", Outcome: "ok"},
	))
	for _, c := range []struct {
		name   string
		filter store.AuditFilter
		want   []int64
	}{
		{"all", store.AuditFilter{}, []int64{4, 3, 2, 1}},
		{"limit", store.AuditFilter{Limit: 2}, []int64{4, 3}},
		{"before", store.AuditFilter{Before: 3, Limit: 1}, []int64{2}},
		{"since", store.AuditFilter{Since: after(2 * time.Minute)}, []int64{4, 3, 2}},
		{"until", store.AuditFilter{Until: after(2 * time.Minute)}, []int64{1}},
		{"who", store.AuditFilter{Who: "ann"}, []int64{3, 1}},
		{"who, a part", store.AuditFilter{Who: "an"}, nil},
		{"what", store.AuditFilter{What: "snapshot."}, []int64{2, 1}},
		{"what, wide letters", store.AuditFilter{What: "長."}, []int64{4}},
		{"what, not from the beginning", store.AuditFilter{What: "create"}, nil},
		{"action", store.AuditFilter{Action: "a3"}, []int64{3}},
		{"run", store.AuditFilter{Run: "r1"}, []int64{2, 1}},
		{"run, with what its actions called", store.AuditFilter{Run: "r3"}, []int64{3}},
		{"outcome", store.AuditFilter{Outcome: "denied"}, []int64{2}},
		{"ref", store.AuditFilter{Ref: "/us-east-1/"}, []int64{3, 2, 1}},
		{"ref minds the case", store.AuditFilter{Ref: "ab"}, []int64{3, 2}},
		{"ref has no wildcards", store.AuditFilter{Ref: "b_1"}, []int64{1}},
		{"ref has no wildcards at all", store.AuditFilter{Ref: "ab%"}, []int64{2}},
		{"all at once", store.AuditFilter{Since: start(), Until: after(time.Hour), Before: 9, Who: "ann", What: "snap", Action: "a1", Run: "r1", Ref: "web", Outcome: "ok", Limit: 9}, []int64{1}},
	} {
		list, err := s.Audit(ctx, c.filter)
		ok(t, "Audit, "+c.name, err)
		var got []int64
		for _, e := range list {
			got = append(got, e.Seq)
		}
		same(t, "Audit, "+c.name, got, c.want)
	}
}

// testRecordWith: a line stands together with what it is about, or not at all.
func testRecordWith(t *testing.T, s store.Store) {
	ctx := t.Context()
	whats := func() []string {
		t.Helper()
		list, err := s.Audit(ctx, store.AuditFilter{})
		ok(t, "Audit", err)
		var out []string
		for _, e := range list {
			out = append(out, e.What)
		}
		slices.Reverse(out)
		return out
	}
	line := func(what, action string) store.AuditEntry {
		return store.AuditEntry{At: start(), What: what, Action: action}
	}
	lines := []store.AuditEntry{line("run", ""), line("b", "b"), line("a", "a")}
	both := []plan.Action{action("a"), action("b")}
	_, err := s.StartRun(ctx, run("r1"), both, start(), lines...)
	ok(t, "StartRun", err)
	same(t, "the record after StartRun", whats(), []string{"run", "b", "a"})
	_, err = s.StartRun(ctx, run("r2"), both, start(), lines...)
	ok(t, "StartRun of nothing", err)
	_, err = s.StartRun(ctx, run("r1"), []plan.Action{action("c")}, start(), line("c", "c"))
	wants(t, "StartRun under an id that is taken", err, store.ErrStale)
	same(t, "the record after two that started nothing", whats(), []string{"run", "b", "a"})
	move(t, s, "a", store.ActionFailed)
	_, err = s.StartRun(ctx, run("r3"), both, start(), lines...)
	ok(t, "StartRun of one of two", err)
	want := []string{"run", "b", "a", "run", "a"}
	same(t, "the record after StartRun of one of two", whats(), want)

	row, err := s.Action(ctx, "a")
	ok(t, "Action", err)
	_, err = s.SaveAction(ctx, row, line("saved", "a"), line("again", "a"))
	ok(t, "SaveAction", err)
	_, err = s.SaveAction(ctx, row, line("stale", "a"))
	wants(t, "SaveAction of an old version", err, store.ErrStale)
	r, err := s.Run(ctx, "r1")
	ok(t, "Run", err)
	_, err = s.SaveRun(ctx, r, line("cancelled", ""))
	ok(t, "SaveRun", err)
	_, err = s.SaveRun(ctx, r, line("stale", ""))
	wants(t, "SaveRun of an old version", err, store.ErrStale)
	want = append(want, "saved", "again", "cancelled")
	same(t, "the record after SaveAction and SaveRun", whats(), want)

	for _, what := range []string{"opened", "counted"} {
		ok(t, "OpenIncident", s.OpenIncident(ctx, store.Incident{Key: "k"}, start(), line(what, "")))
	}
	ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{"k"}, start()))
	ok(t, "OpenIncident anew", s.OpenIncident(ctx, store.Incident{Key: "k"}, start(), line("opened anew", "")))
	same(t, "the record after OpenIncident", whats(), append(want, "opened", "opened anew"))
	verified(t, s)
}

// testRecordAtOnce: many who append make one chain, while others look.
func testRecordAtOnce(t *testing.T, s store.Store) {
	const workers, each = 12, 20
	begin(t, s, run("r"), start(), "a")
	var wg sync.WaitGroup
	for worker := range workers {
		who := fmt.Sprint(worker)
		wg.Go(func() {
			for i := range each {
				entries := make([]store.AuditEntry, 1+i%3)
				for k := range entries {
					entries[k] = store.AuditEntry{At: start(), Who: who, What: fmt.Sprint(i), Detail: fmt.Sprint(k)}
				}
				var err error
				switch (worker + i) % 3 {
				case 0:
					err = s.Append(t.Context(), entries...)
				case 1:
					_, err = s.StartRun(t.Context(), run(fmt.Sprintf("r-%d-%d", worker, i)), []plan.Action{action(fmt.Sprintf("a-%d-%d", worker, i))}, start(), entries...)
				default:
					for {
						var row store.ActionRow
						if row, err = s.Action(t.Context(), "a"); err == nil {
							_, err = s.SaveAction(t.Context(), row, entries...)
						}
						if !isStale(err) {
							break
						}
					}
				}
				if err != nil {
					t.Errorf("appending with others at the same time: got error %v, want none", err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		verified(t, s) // at any moment the record is right
	}
	lines := 0
	for i := range each {
		lines += workers * (1 + i%3)
	}
	same(t, "VerifyAudit: entries", verified(t, s).Checked, int64(lines))
	list, err := s.Audit(t.Context(), store.AuditFilter{})
	ok(t, "Audit", err)
	slices.Reverse(list)
	last := map[string]string{} // what each worker appended stands together and in its order
	for i, e := range list {
		if now := e.What + "/" + e.Detail; e.Detail != "0" && (list[i-1].Who != e.Who || list[i-1].What != e.What) {
			t.Fatalf("entry %d: got %s of worker %s after %s of worker %s, want what was appended together to stand together", e.Seq, now, e.Who, list[i-1].What, list[i-1].Who)
		}
		if was, is := last[e.Who], e.What; len(was) > len(is) || len(was) == len(is) && was > is {
			t.Fatalf("entry %d: got append %s of worker %s after its append %s, want its own order", e.Seq, is, e.Who, was)
		}
		last[e.Who] = e.What
	}
}

// testRecordPruned: forgetting shortens the chain from its beginning, says so, and leaves it right.
func testRecordPruned(t *testing.T, s store.Store) {
	ctx := t.Context()
	prune := func(before time.Time, want int64) {
		t.Helper()
		n, err := s.Prune(ctx, before)
		ok(t, "Prune", err)
		same(t, "Prune: rows", n, want)
	}
	prune(after(time.Hour), 0)
	for i, at := range []time.Duration{1, 2, 30, 3, 40} { // the fourth was made under a clock that was set back
		ok(t, "Append", s.Append(ctx, store.AuditEntry{At: after(at * time.Minute), What: fmt.Sprint(i + 1)}))
	}
	_, noted, err := s.AuditHead(ctx)
	ok(t, "AuditHead", err)
	prune(start(), 0)
	prune(after(10*time.Minute), 2)
	got := verified(t, s, noted)
	same(t, "the chain after Prune", []int64{got.Anchor.Seq, got.Head.Seq, got.Checked}, []int64{2, 6, 4})
	list, err := s.Audit(ctx, store.AuditFilter{What: store.AuditPruned})
	ok(t, "Audit", err)
	if len(list) != 1 || list[0].Ref != got.Anchor.String() || list[0].Seq != 6 {
		t.Fatalf("the record after Prune: got %+v, want one entry that names the anchor %s", list, got.Anchor)
	}
	prune(after(10*time.Minute), 0)
	same(t, "the chain after Prune of nothing", verified(t, s, noted), got)
	prune(after(35*time.Minute), 2)
	got = verified(t, s, noted)
	same(t, "the chain after the second Prune", []int64{got.Anchor.Seq, got.Head.Seq, got.Checked}, []int64{4, 7, 3})
	prune(time.Now().Add(time.Hour), 3) // all of it
	got = verified(t, s)
	same(t, "the chain after all was forgotten", []int64{got.Anchor.Seq, got.Head.Seq, got.Checked}, []int64{7, 8, 1})
	_, err = store.VerifyAudit(ctx, s, noted)
	var fault *store.Fault
	if !errors.As(err, &fault) || fault.Kind != store.FaultForgotten {
		t.Fatalf("VerifyAudit against a head that is forgotten: got %v, want it to say so", err)
	}
}
