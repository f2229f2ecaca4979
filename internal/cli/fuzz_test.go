package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// written puts what a fuzz target was given into a file.
func written(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refusedFile checks what every refusal of a file owes its reader: the file's name, in one line that ends, and no blame on us.
func refusedFile(t *testing.T, data []byte, path string, err error) {
	t.Helper()
	var e *exit
	if text := err.Error(); !errors.As(err, &e) || e.code != exitUsage || !strings.Contains(text, path) || len(text) > 1000+2*len(path) || strings.ContainsAny(text, "\n\x00") {
		t.Errorf("%q is refused with %q, want one line of exit code %d that names the file", data, err, exitUsage)
	}
}

// FuzzReadPlan: a file is refused, naming it, or is a plan whose every action has the id that its content gives; and what
// was read says the same when it is written and read again.
func FuzzReadPlan(f *testing.F) {
	dir := f.TempDir()
	from, to := filepath.Join(dir, "plan.json"), filepath.Join(dir, "again.json")
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	ref := cloud.Ref{Account: "web", Region: "us-east-1", Kind: cloud.KindSnapshot, ID: "snap-1"}
	take := plan.Action{
		Verb: plan.TakeSnapshotSet, Policy: "daily", Place: ref.Place(), Slot: plan.SlotText(at), Backup: "b-1", Reason: "slot",
		Set: &cloud.NewSnapshotSet{Region: "us-east-1", Instance: "i-1", Disks: []string{"vol-1"}, Tags: cloud.TagsOf(map[string]string{"a": "b"})},
	}
	drop := plan.Action{Verb: plan.DeleteSnapshot, Policy: "daily", Place: ref.Place(), Target: ref, Reason: "beyond last 1", Guard: plan.Guard{Tags: cloud.TagsOf(map[string]string{"a": "b"}), Lacks: []string{cloud.TagHold}, Keepers: []cloud.Ref{ref}}}
	take.ID, drop.ID = plan.ActionID(take), plan.ActionID(drop)
	if err := writePlan(from, plan.Plan{Format: planFormat, MadeAt: at, Policies: []string{"daily"}, Actions: []plan.Action{take, drop}, Next: at}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(from)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte("snap-1"), []byte("snap-2"), 1))
	f.Add(append(bytes.Clone(whole), "{}"...))
	for _, text := range []string{"", "{}", `{"format":1}`, `{"format":2}`, `{"format":1,"actions":null,"x":1}`, `{"format":1,"actions":[{"id":"a","verb":"no such"}]}`, `{"format":1e0}`, `[]`, `{"format":1,"made-at":"x\ny"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		written(t, from, data)
		p, err := readPlan(from)
		if err != nil {
			if len(p.Actions) > 0 {
				t.Errorf("readPlan(%q): got actions with error %v", data, err)
			}
			refusedFile(t, data, from, err)
			return
		}
		for _, a := range p.Actions {
			if a.ID != plan.ActionID(a) {
				t.Errorf("readPlan(%q): accepts the action %s, whose content gives %s", data, a.ID, plan.ActionID(a))
			}
		}
		if err := writePlan(to, p); err != nil {
			t.Fatalf("writePlan of %q: %v", data, err)
		}
		again, err := readPlan(to)
		if err != nil || again.Hash() != p.Hash() {
			t.Errorf("readPlan(%q), written and read again: got %+v, %v, want the same", data, again, err)
		}
	})
}

// FuzzVerifyFile: an exported record is right, or wrong in a way that is told; and one that was changed anywhere in what
// its entries say is never taken for right.
func FuzzVerifyFile(f *testing.F) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	entries, head := store.Chain(store.Head{}, []store.AuditEntry{
		{At: at, Who: "ann", What: "snapshot.create", Ref: "web/us-east-1/snapshot/snap-1", Outcome: "ok"},
		{At: at.Add(time.Second), Who: "daily", What: "decided snapshot.delete", Detail: "beyond last 1"},
	})
	export := func(change func(i int, v *auditView)) []byte {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		lines := []any{auditHeader{Format: auditFormat, Anchor: store.Head{}.String()}}
		for i, e := range entries {
			v := viewEntry(e)
			change(i, &v)
			lines = append(lines, v)
		}
		for _, line := range append(lines, auditFooter{Head: head.String(), Entries: int64(len(entries))}) {
			if err := enc.Encode(line); err != nil {
				f.Fatal(err)
			}
		}
		return b.Bytes()
	}
	good := export(func(int, *auditView) {})
	f.Add(good, uint16(0), "x")
	f.Add([]byte(`{"format":"stint-audit-1","anchor":"0:"}`), uint16(3), "")
	f.Add([]byte(fmt.Sprintf(`{"format":%q,"anchor":%q}`+"\n"+`{"head":%q,"entries":0}`, auditFormat, store.Head{}, store.Head{})), uint16(7), "ann")
	f.Fuzz(func(t *testing.T, data []byte, where uint16, text string) {
		verify := func(b []byte) (store.Verdict, error) {
			s := &shell{IO: IO{In: bytes.NewReader(b)}}
			return s.verifyFile("-", nil)
		}
		if v, err := verify(data); err != nil {
			if message := err.Error(); message == "" || v != (store.Verdict{}) || len(message) > 2000+len(data) {
				t.Errorf("verify(%q) = %+v, %q", data, v, message)
			}
		}
		changed := export(func(i int, v *auditView) {
			fields := []*string{&v.At, &v.Who, &v.What, &v.Ref, &v.Action, &v.Run, &v.Outcome, &v.Code, &v.Request, &v.Detail, &v.Hash}
			if i == int(where)%2 {
				*fields[int(where/2)%len(fields)] = text
			}
		})
		v, err := verify(changed)
		if same := bytes.Equal(changed, good); same != (err == nil) {
			t.Errorf("verify(%s) = %+v, %v, and it was changed: %v", changed, v, err, !same)
		}
	})
}
