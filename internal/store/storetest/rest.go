package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

func testPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.PolicyState(ctx, "nightly")
	wants(t, "PolicyState of one that is not there", err, store.ErrNotFound)
	row := store.PolicyState{
		Name: "nightly", NextAt: after(time.Hour), PlannedAt: start(), Hash: "h", Problem: "no room",
		Findings: []plan.Finding{{Key: "k", Policy: "nightly", Ref: ref(web(), "s"), Grave: true, Text: "the \"quota\" 中"}},
	}
	saved, err := s.SavePolicyState(ctx, row)
	ok(t, "SavePolicyState", err)
	row.Version = 1
	same(t, "SavePolicyState", saved, row)
	_, err = s.SavePolicyState(ctx, store.PolicyState{Name: "nightly"})
	wants(t, "SavePolicyState of version 0 over a row", err, store.ErrStale)
	saved.Findings, saved.NextAt = nil, time.Time{}
	newer, err := s.SavePolicyState(ctx, saved)
	ok(t, "SavePolicyState again", err)
	_, err = s.SavePolicyState(ctx, saved)
	wants(t, "SavePolicyState of an old version", err, store.ErrStale)
	got, err := s.PolicyState(ctx, "nightly")
	ok(t, "PolicyState", err)
	same(t, "PolicyState", got, newer)
	for _, name := range []string{"a", "Z", "b"} {
		_, err := s.SavePolicyState(ctx, store.PolicyState{Name: name})
		ok(t, "SavePolicyState", err)
	}
	ok(t, "DropPolicyStates", s.DropPolicyStates(ctx, []string{"a", "nobody"}))
	all, err := s.PolicyStates(ctx)
	ok(t, "PolicyStates", err)
	same(t, "order of PolicyStates", []string{all[0].Name, all[1].Name, all[2].Name}, []string{"Z", "b", "nightly"})
}

func testIncidents(t *testing.T, s store.Store) {
	ctx := t.Context()
	one := func(what string, list []store.Incident, err error) store.Incident {
		t.Helper()
		ok(t, what, err)
		if len(list) != 1 {
			t.Fatalf("%s: got %d incidents, want 1", what, len(list))
		}
		return list[0]
	}
	none := func(what string, list []store.Incident, err error) {
		t.Helper()
		ok(t, what, err)
		if len(list) != 0 {
			t.Fatalf("%s: got %+v, want none", what, list)
		}
	}
	in := store.Incident{Key: "k", Policy: "p", Account: "web", Title: "denied", Detail: "the cloud said \"no\" 🦀"}
	ok(t, "OpenIncident", s.OpenIncident(ctx, in, start()))
	in.Version, in.OpenedAt, in.LastAt, in.Count = 1, start(), start(), 1
	list, err := s.Incidents(ctx, false, 10)
	same(t, "Incidents after the first", one("Incidents", list, err), in)

	again := in
	again.Title = "denied again"
	ok(t, "OpenIncident again", s.OpenIncident(ctx, again, after(time.Minute)))
	in.Version, in.LastAt, in.Count, in.Title = 2, after(time.Minute), 2, "denied again"
	list, err = s.UntoldIncidents(ctx)
	got := one("UntoldIncidents", list, err)
	same(t, "UntoldIncidents after the second", got, in)

	got.Told, got.ToldAt = 1, after(2*time.Minute)
	told, err := s.SaveIncident(ctx, got)
	ok(t, "SaveIncident", err)
	_, err = s.SaveIncident(ctx, got)
	wants(t, "SaveIncident of an old version", err, store.ErrStale)
	ok(t, "OpenIncident a third time", s.OpenIncident(ctx, in, after(3*time.Minute)))
	list, err = s.UntoldIncidents(ctx)
	got = one("UntoldIncidents", list, err)
	if got.Told != told.Told || !got.ToldAt.Equal(told.ToldAt) || got.Count != 3 || !got.OpenedAt.Equal(start()) {
		t.Fatalf("an open incident seen again: got %+v, want it told once, seen three times, open since %v", got, start())
	}
	ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{"k", "nobody"}, after(4*time.Minute)))
	ok(t, "CloseIncidents again", s.CloseIncidents(ctx, []string{"k"}, after(5*time.Minute)))
	list, err = s.Incidents(ctx, false, 10)
	none("Incidents that are open", list, err)
	list, err = s.Incidents(ctx, true, 10)
	if got = one("Incidents with ended", list, err); !got.ClosedAt.Equal(after(4 * time.Minute)) {
		t.Fatalf("CloseIncidents twice: got closed at %v, want %v", got.ClosedAt, after(4*time.Minute))
	}
	list, err = s.UntoldIncidents(ctx)
	got = one("UntoldIncidents: its end was not told", list, err)
	got.ToldEnd = true
	_, err = s.SaveIncident(ctx, got)
	ok(t, "SaveIncident", err)
	list, err = s.UntoldIncidents(ctx)
	none("UntoldIncidents: all told", list, err)

	ok(t, "OpenIncident of a closed one", s.OpenIncident(ctx, in, after(time.Hour)))
	list, err = s.UntoldIncidents(ctx)
	got = one("UntoldIncidents", list, err)
	if !got.OpenedAt.Equal(after(time.Hour)) || got.Count != 1 || got.Told != 0 || !got.ToldAt.IsZero() || got.ToldEnd || !got.ClosedAt.IsZero() {
		t.Fatalf("a closed incident opened anew: got %+v, want it to begin anew", got)
	}
	ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{"k"}, after(2*time.Hour)))
	list, err = s.UntoldIncidents(ctx)
	none("UntoldIncidents: closed before anybody was told", list, err)

	ok(t, "OpenIncident", s.OpenIncident(ctx, in, after(3*time.Hour)))
	list, err = s.UntoldIncidents(ctx)
	got = one("UntoldIncidents", list, err)
	got.Told, got.ToldAt = 1, after(3*time.Hour)
	_, err = s.SaveIncident(ctx, got)
	ok(t, "SaveIncident", err)
	ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{"k"}, after(4*time.Hour)))
	ok(t, "OpenIncident before its end was told", s.OpenIncident(ctx, in, after(5*time.Hour)))
	ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{"k"}, after(6*time.Hour)))
	list, err = s.UntoldIncidents(ctx)
	got = one("UntoldIncidents: somebody was told that it is open, nobody that it is over", list, err)
	got.ToldEnd = true
	_, err = s.SaveIncident(ctx, got)
	ok(t, "SaveIncident", err)
	for i := range 5 {
		ok(t, "OpenIncident", s.OpenIncident(ctx, store.Incident{Key: fmt.Sprint(i)}, after(time.Duration(i)*time.Minute)))
	}
	list, err = s.Incidents(ctx, false, 2)
	ok(t, "Incidents", err)
	if len(list) != 2 || list[0].Key != "4" || list[1].Key != "3" {
		t.Fatalf("Incidents, two at most: got %+v, want the newest, 4 and 3", list)
	}
}

func testFacts(t *testing.T, s store.Store) {
	ctx := t.Context()
	got, err := s.Fact(ctx, "k")
	ok(t, "Fact", err)
	same(t, "Fact that is not there", got, "")
	for _, v := range []string{"1", "2"} {
		ok(t, "SetFact", s.SetFact(ctx, "k", v))
	}
	got, err = s.Fact(ctx, "k")
	ok(t, "Fact", err)
	same(t, "Fact", got, "2")
}

func testTexts(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, text := range texts() {
		key := fmt.Sprintf("%d %.100s", i, text)
		ok(t, "SetFact", s.SetFact(ctx, key, text))
		got, err := s.Fact(ctx, key)
		ok(t, "Fact", err)
		if got != text {
			t.Fatalf("Fact: got %.80q (%d bytes), want %.80q (%d bytes)", got, len(got), text, len(text))
		}
		a := action(fmt.Sprintf("a%d", i))
		a.Label, a.Reason, a.Slot = text, text, text
		r := run(fmt.Sprintf("r%d", i))
		r.By, r.Trigger = text, text
		_, err = s.StartRun(ctx, r, []plan.Action{a}, start())
		ok(t, "StartRun", err)
		row, err := s.Action(ctx, a.ID)
		ok(t, "Action", err)
		same(t, "Action", row.Action, a)
		row.Problem = text
		row, err = s.SaveAction(ctx, row)
		ok(t, "SaveAction", err)
		back, err := s.Run(ctx, r.ID)
		ok(t, "Run", err)
		same(t, "Run", []string{back.By, back.Trigger, row.Problem}, []string{text, text, text})
		_, _, err = s.SaveSurvey(ctx, store.Survey{Scope: scopeOf(fmt.Sprint(i), "r", cloud.KindDisk), Watching: []string{text, ""}}, nil)
		ok(t, "SaveSurvey", err)
		survey, err := s.Survey(ctx, scopeOf(fmt.Sprint(i), "r", cloud.KindDisk))
		ok(t, "Survey", err)
		same(t, "Survey", survey.Watching, []string{text, ""})
	}
}

func testTimes(t *testing.T, s store.Store) {
	ctx := t.Context()
	east := time.FixedZone("east", 8*3600)
	for i, at := range []time.Time{
		{},
		start(), start().In(east), time.Date(1971, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, 3, 29, 2, 30, 0, 0, east), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		row := store.Survey{Scope: scopeOf(fmt.Sprint(i), "r", cloud.KindDisk), NextAt: at, SweepAt: at}
		row.Look.SeenAt = at
		_, _, err := s.SaveSurvey(ctx, row, nil)
		ok(t, "SaveSurvey", err)
		got, err := s.Survey(ctx, row.Scope)
		ok(t, "Survey", err)
		want := at
		if !at.IsZero() {
			want = at.UTC()
		}
		same(t, "a time that was stored", []time.Time{got.NextAt, got.SweepAt, got.Look.SeenAt}, []time.Time{want, want, want})
	}
	fine := start().Add(999 * time.Nanosecond)
	ok(t, "Append", s.Append(ctx, store.AuditEntry{At: fine}))
	got, err := s.Audit(ctx, store.AuditFilter{Limit: 1})
	ok(t, "Audit", err)
	same(t, "a time finer than a microsecond", got[0].At, start())
}

func testDue(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, _, err := s.SaveSurvey(ctx, store.Survey{Scope: web(), NextAt: after(3 * time.Minute)}, nil)
	ok(t, "SaveSurvey", err)
	_, _, err = s.SaveSurvey(ctx, store.Survey{Scope: scopeOf("never", "r", cloud.KindDisk)}, nil)
	ok(t, "SaveSurvey", err)
	for name, at := range map[string]time.Time{"p": after(2 * time.Minute), "never": {}, "later": after(time.Hour)} {
		_, err := s.SavePolicyState(ctx, store.PolicyState{Name: name, NextAt: at})
		ok(t, "SavePolicyState", err)
	}
	begin(t, s, run("r"), after(time.Minute), "planned", "calling", "overdue", "unclear", "done", "forgotten", "future")
	set := func(id string, state store.ActionState, next, deadline time.Time) {
		t.Helper()
		row, err := s.Action(ctx, id)
		ok(t, "Action", err)
		row.State, row.NextAt, row.Deadline = state, next, deadline
		_, err = s.SaveAction(ctx, row)
		ok(t, "SaveAction", err)
	}
	set("calling", store.ActionCalling, after(time.Second), after(time.Hour))
	set("overdue", store.ActionCalling, after(time.Hour), after(4*time.Minute))
	set("unclear", store.ActionUnclear, after(5*time.Minute), after(time.Hour))
	set("done", store.ActionDone, after(time.Second), after(time.Second))
	set("forgotten", store.ActionPlanned, time.Time{}, time.Time{})
	set("future", store.ActionPlanned, after(time.Hour), time.Time{})
	list := func(now time.Time, limit int) []string {
		t.Helper()
		due, err := s.Due(ctx, now, limit)
		ok(t, "Due", err)
		var out []string
		for _, d := range due {
			out = append(out, d.Kind+" "+d.Key)
		}
		return out
	}
	want := []string{"action forgotten", "action planned", "policy p", "survey " + web().String(), "action overdue", "action unclear"}
	same(t, "Due", list(after(10*time.Minute), 100), want)
	same(t, "Due, three at most", list(after(10*time.Minute), 3), want[:3])
	same(t, "Due at that very moment", list(after(2*time.Minute), 100), want[:3])
	due, err := s.Due(ctx, after(3*time.Minute), 100)
	ok(t, "Due", err)
	same(t, "Due: the time", due[3], store.Due{Kind: "survey", Key: web().String(), At: after(3 * time.Minute)})
}

func testPrune(t *testing.T, s store.Store) {
	ctx := t.Context()
	end := func(id string, at time.Time) {
		t.Helper()
		r, err := s.Run(ctx, id)
		ok(t, "Run", err)
		r.State, r.EndedAt = store.RunDone, at
		_, err = s.SaveRun(ctx, r)
		ok(t, "SaveRun", err)
	}
	for _, id := range []string{"old", "new", "active", "open", "lost"} {
		begin(t, s, run(id), start(), id+"-1", id+"-2")
		if id != "open" {
			move(t, s, id+"-1", store.ActionDone)
			move(t, s, id+"-2", store.ActionFailed)
		}
	}
	end("old", after(time.Minute))
	end("new", after(time.Hour))
	end("open", after(time.Minute)) // ended by mistake: two of its actions are not
	end("lost", after(time.Minute))
	begin(t, s, run("taker"), start(), "lost-2") // what another run took over is that run's
	for key, at := range map[string]time.Time{"closed": after(time.Minute), "late": after(time.Hour), "open": {}, "untold": after(time.Minute), "told": after(time.Minute)} {
		ok(t, "OpenIncident", s.OpenIncident(ctx, store.Incident{Key: key}, start()))
		if !at.IsZero() {
			ok(t, "CloseIncidents", s.CloseIncidents(ctx, []string{key}, at))
		}
	}
	all, err := s.Incidents(ctx, true, 10)
	ok(t, "Incidents", err)
	for _, in := range all {
		if in.Key == "untold" || in.Key == "told" {
			in.Told, in.ToldEnd = 1, in.Key == "told"
			_, err := s.SaveIncident(ctx, in)
			ok(t, "SaveIncident", err)
		}
	}
	ok(t, "Append", s.Append(ctx, store.AuditEntry{At: start(), What: "old"}, store.AuditEntry{At: after(time.Hour), What: "new"}))

	n, err := s.Prune(ctx, after(30*time.Minute))
	ok(t, "Prune", err)
	// runs old and lost, actions old-1, old-2, lost-1, incidents closed and told, one audit entry
	same(t, "Prune: rows", n, int64(8))
	runs, err := s.Runs(ctx, "", 10)
	ok(t, "Runs", err)
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	same(t, "Runs after Prune", ids, []string{"taker", "open", "new", "active"})
	rows, err := s.Actions(ctx, store.ActionFilter{})
	ok(t, "Actions", err)
	ids = nil
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	same(t, "Actions after Prune", ids, []string{"active-1", "active-2", "lost-2", "new-1", "new-2", "open-1", "open-2"})
	all, err = s.Incidents(ctx, true, 10)
	ok(t, "Incidents", err)
	ids = nil
	for _, in := range all {
		ids = append(ids, in.Key)
	}
	same(t, "Incidents after Prune", ids, []string{"late", "open", "untold"})
	record, err := s.Audit(ctx, store.AuditFilter{Limit: 10})
	ok(t, "Audit", err)
	if len(record) != 2 || record[0].What != store.AuditPruned || record[1].What != "new" {
		t.Fatalf("Audit after Prune: got %+v, want the new entry, and one that says so", record)
	}
}

func take(t *testing.T, s store.Store, now time.Time, most time.Duration) (time.Duration, bool) {
	t.Helper()
	wait, got, err := s.TakePace(t.Context(), "web/us-east-1/read", now, 10, 3, most)
	ok(t, "TakePace", err)
	return wait, got
}

func testPace(t *testing.T, s store.Store) {
	const step = 100 * time.Millisecond // ten a second, three at once
	for i, want := range []time.Duration{0, 0, 0, step, 2 * step} {
		if wait, got := take(t, s, start(), time.Second); !got || wait != want {
			t.Fatalf("TakePace, call %d: got %v %v, want to wait %v", i+1, wait, got, want)
		}
	}
	for range 2 { // what is refused takes nothing
		if wait, got := take(t, s, start(), 2*step); got || wait != 3*step {
			t.Fatalf("TakePace that may wait 200 ms: got %v %v, want no, since it would be 300 ms", wait, got)
		}
	}
	if wait, got := take(t, s, start(), 3*step); !got || wait != 3*step {
		t.Fatalf("TakePace that may wait 300 ms: got %v %v, want to wait 300 ms", wait, got)
	}
	for i, want := range []time.Duration{0, 0, 0, step} { // after a rest the burst is there again, and no more
		if wait, got := take(t, s, after(time.Hour), time.Second); !got || wait != want {
			t.Fatalf("TakePace after a rest, call %d: got %v %v, want to wait %v", i+1, wait, got, want)
		}
	}
	if wait, got, err := s.TakePace(t.Context(), "another", start(), 10, 3, 0); err != nil || !got || wait != 0 {
		t.Fatalf("TakePace of another key: got %v %v %v, want it at once", wait, got, err)
	}
	for _, rate := range []float64{0, -1} {
		if _, _, err := s.TakePace(t.Context(), "k", start(), rate, 1, 0); err == nil {
			t.Fatalf("TakePace with a rate of %v: got no error, want one", rate)
		}
	}
}

func testPacePushed(t *testing.T, s store.Store) {
	ctx := t.Context()
	ok(t, "PushPace of a new key", s.PushPace(ctx, "fresh", after(time.Second)))
	if wait, got, err := s.TakePace(ctx, "fresh", start(), 10, 3, time.Minute); err != nil || !got || wait < time.Second {
		t.Fatalf("TakePace of a pushed new key: got %v %v %v, want to wait a second at least", wait, got, err)
	}
	take(t, s, start(), 0)
	ok(t, "PushPace", s.PushPace(ctx, "web/us-east-1/read", after(2*time.Second)))
	ok(t, "PushPace to an earlier time", s.PushPace(ctx, "web/us-east-1/read", after(time.Second)))
	if wait, got := take(t, s, start(), time.Second); got || wait < 2*time.Second {
		t.Fatalf("TakePace of a pushed key that may wait a second: got %v %v, want no: two seconds", wait, got)
	}
	last := time.Duration(0)
	for i := range 4 {
		wait, got := take(t, s, start(), time.Minute)
		if !got || wait < 2*time.Second || i > 0 && wait < last+100*time.Millisecond {
			t.Fatalf("TakePace of a pushed key, call %d: got %v %v after %v, want two seconds at least, and one step apart", i+1, wait, got, last)
		}
		last = wait
	}
	if wait, got := take(t, s, after(time.Minute), 0); !got || wait != 0 {
		t.Fatalf("TakePace long after the push: got %v %v, want it at once", wait, got)
	}
}

func testPaceAtOnce(t *testing.T, s store.Store) {
	const workers, each = 8, 40
	var (
		wg    sync.WaitGroup
		given atomic.Int64
	)
	for range workers {
		wg.Go(func() {
			for i := range each { // all of them in the same second: 10 for the rate, 20 for the burst
				now := start().Add(time.Duration(i) * time.Second / each)
				_, got, err := s.TakePace(t.Context(), "shared", now, 10, 20, 0)
				if err != nil {
					t.Errorf("TakePace: got error %v, want none", err)
					return
				}
				if got {
					given.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := given.Load(); n < 20 || n > 30 {
		t.Fatalf("TakePace by %d workers within a second: got %d calls, want 20 to 30: the burst and the rate", workers, n)
	}
}
