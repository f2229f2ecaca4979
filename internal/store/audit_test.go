package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stint-cloud/stint/internal/store"
)

func at(n int) time.Time { return time.Date(2026, 11, 21, 2, 0, n, 123456000, time.UTC) }

// record is a chain of n entries.
func record(n int) ([]store.AuditEntry, store.Head) {
	entries := make([]store.AuditEntry, n)
	for i := range entries {
		entries[i] = store.AuditEntry{At: at(i), Who: "ann", What: "snapshot.create", Ref: fmt.Sprintf("web/us-east-1/snapshot/snap-%d", i), Outcome: "ok"}
	}
	return store.Chain(store.Head{}, entries)
}

func verify(list []store.AuditEntry, anchor, head store.Head, noted ...store.Head) (store.Verdict, error) {
	v := store.NewVerifier(anchor, noted...)
	for _, e := range list {
		v.Add(e)
	}
	return v.End(head)
}

// TestLink: the hash is what the documentation says, made here by other means.
func TestLink(t *testing.T) {
	e := store.AuditEntry{Seq: 7, At: at(0), Who: "ann", What: "decided snapshot.delete", Ref: "r", Action: "a", Run: "u", Outcome: "ok", Code: "c", Request: "q", Detail: "it's 長"}
	text := "13:stint-audit-1,64:" + strings.Repeat("0", 64) + ",1:7,27:2026-11-21T02:00:00.123456Z,3:ann,23:decided snapshot.delete,1:r,1:a,1:u,2:ok,1:c,1:q,8:it's 長,"
	sum := sha256.Sum256([]byte(text))
	if got, want := store.Link("", e), hex.EncodeToString(sum[:]); got != want {
		t.Errorf("Link: got %s, want %s", got, want)
	}
}

// TestEveryFieldCounts: an entry that differs in anything has another hash.
func TestEveryFieldCounts(t *testing.T) {
	e := store.AuditEntry{Seq: 1, At: at(0), Who: "ab", What: "c"}
	seen := map[string]string{store.Link("", e): "the entry itself"}
	for name, change := range map[string]func(e *store.AuditEntry){
		"seq": func(e *store.AuditEntry) { e.Seq = 2 }, "at": func(e *store.AuditEntry) { e.At = at(1) }, "no at": func(e *store.AuditEntry) { e.At = time.Time{} },
		"who": func(e *store.AuditEntry) { e.Who = "x" }, "what": func(e *store.AuditEntry) { e.What = "x" }, "ref": func(e *store.AuditEntry) { e.Ref = "x" },
		"action": func(e *store.AuditEntry) { e.Action = "x" }, "run": func(e *store.AuditEntry) { e.Run = "x" }, "outcome": func(e *store.AuditEntry) { e.Outcome = "x" },
		"code": func(e *store.AuditEntry) { e.Code = "x" }, "request": func(e *store.AuditEntry) { e.Request = "x" }, "detail": func(e *store.AuditEntry) { e.Detail = "x" },
		"the border of two": func(e *store.AuditEntry) { e.Who, e.What = "a", "bc" }, "a field that imitates the next": func(e *store.AuditEntry) { e.Who, e.What = "ab,1:c", "" },
	} {
		other := e
		change(&other)
		hash := store.Link("", other)
		if was, ok := seen[hash]; ok {
			t.Errorf("Link of an entry that differs in %s: got the hash of %s", name, was)
		}
		seen[hash] = name
	}
	if store.Link(strings.Repeat("1", 64), e) == store.Link("", e) {
		t.Error("Link after another hash: got the same")
	}
}

// TestChainKeepsWhatDatabasesKeep: what no database or JSON would give back as it was is made fit before it is hashed.
func TestChainKeepsWhatDatabasesKeep(t *testing.T) {
	list, head := store.Chain(store.Head{}, []store.AuditEntry{
		{At: at(0).Add(999).In(time.FixedZone("east", 3600)), Detail: "a\x00b\xffc"}, {At: time.Unix(0, 0)},
	})
	want := store.AuditEntry{Seq: 1, At: at(0), Detail: "a\uFFFDb\uFFFDc"}
	want.Hash = store.Link("", want)
	if list[0] != want {
		t.Errorf("Chain: got %+v, want %+v", list[0], want)
	}
	if !list[1].At.IsZero() {
		t.Errorf("Chain of an entry at microsecond 0: got %v, want no time, as it is read back", list[1].At)
	}
	if head != (store.Head{Seq: 2, Hash: list[1].Hash}) {
		t.Errorf("Chain: got head %v, want that of the last entry", head)
	}
}

func TestVerify(t *testing.T) {
	good, head := record(6)
	other, _ := record(7)
	other[2].Who = "eve" // a forger who can make the whole chain anew
	other, otherHead := store.Chain(store.Head{}, other[:6])
	relinked := func(e store.AuditEntry) store.AuditEntry {
		e.Who = "eve"
		e.Hash = store.Link(good[e.Seq-2].Hash, e)
		return e
	}
	anchor := store.Head{Seq: 2, Hash: good[1].Hash}
	told, toldHead := store.Chain(head, []store.AuditEntry{{What: store.AuditPruned, Ref: anchor.String()}})
	pruned := slices.Concat(good[2:], told)
	seven, sevenHead := store.Chain(head, []store.AuditEntry{{What: "more"}})
	for _, c := range []struct {
		name         string
		list         []store.AuditEntry
		anchor, head store.Head
		noted        []store.Head
		seq          int64
		kind         store.FaultKind // empty: it is right
	}{
		{name: "right", list: good, head: head},
		{name: "empty"},
		{name: "right, and as noted", list: good, head: head, noted: []store.Head{{}, {Seq: 3, Hash: good[2].Hash}, head}},
		{name: "a field changed", list: slices.Concat(good[:2], []store.AuditEntry{{Seq: 3, Who: "eve", Hash: good[2].Hash}}, good[3:]), head: head, seq: 3, kind: store.FaultChanged},
		{name: "changed with its hash", list: slices.Concat(good[:2], []store.AuditEntry{relinked(good[2])}, good[3:]), head: head, seq: 4, kind: store.FaultChanged},
		{name: "the last changed with its hash", list: slices.Concat(good[:5], []store.AuditEntry{relinked(good[5])}), head: head, seq: 6, kind: store.FaultChanged},
		{name: "one missing", list: slices.Delete(slices.Clone(good), 2, 3), head: head, seq: 3, kind: store.FaultMissing},
		{name: "two missing", list: slices.Delete(slices.Clone(good), 2, 4), head: head, seq: 3, kind: store.FaultMissing},
		{name: "the first missing", list: good[1:], head: head, seq: 1, kind: store.FaultMissing},
		{name: "doubled", list: slices.Insert(slices.Clone(good), 3, good[2]), head: head, seq: 3, kind: store.FaultDoubled},
		{name: "out of order", list: []store.AuditEntry{good[0], good[2], good[1], good[3], good[4], good[5]}, head: head, seq: 2, kind: store.FaultOrder},
		{name: "cut off at the end", list: good[:4], head: head, seq: 5, kind: store.FaultCut},
		{name: "all gone", head: head, seq: 1, kind: store.FaultCut},
		{name: "added at the end", list: slices.Concat(good, seven), head: head, seq: 7, kind: store.FaultAdded},
		{name: "added at the end with its head", list: slices.Concat(good, seven), head: sevenHead},
		{name: "cut off with its head", list: good[:4], head: store.Head{Seq: 4, Hash: good[3].Hash}},
		{name: "cut off with its head, noted", list: good[:4], head: store.Head{Seq: 4, Hash: good[3].Hash}, noted: []store.Head{head}, seq: 5, kind: store.FaultCut},
		{name: "made anew", list: other, head: otherHead},
		{name: "made anew, noted", list: other, head: otherHead, noted: []store.Head{head}, seq: 6, kind: store.FaultRemade},
		{name: "made anew, noted before", list: other, head: otherHead, noted: []store.Head{{Seq: 2, Hash: good[1].Hash}}},
		{name: "pruned", list: pruned, anchor: anchor, head: toldHead, noted: []store.Head{anchor, head}},
		{name: "pruned, noted before", list: pruned, anchor: anchor, head: toldHead, noted: []store.Head{{Seq: 1, Hash: good[0].Hash}}, seq: 1, kind: store.FaultForgotten},
		{name: "pruned, the anchor another than noted", list: pruned, anchor: anchor, head: toldHead, noted: []store.Head{{Seq: 2, Hash: good[0].Hash}}, seq: 2, kind: store.FaultRemade},
		{name: "beginning cut off", list: good[2:], anchor: anchor, head: head, seq: 2, kind: store.FaultBeginning},
		{name: "all cut off", anchor: head, head: head, seq: 6, kind: store.FaultBeginning},
		{name: "beginning cut off after a pruning", list: pruned[2:], anchor: store.Head{Seq: 4, Hash: good[3].Hash}, head: toldHead, seq: 4, kind: store.FaultBeginning},
		{name: "what was forgotten comes back", list: slices.Concat(good, told), anchor: anchor, head: toldHead, seq: 1, kind: store.FaultAdded},
		{name: "the ends crossed", anchor: head, head: anchor, seq: 2, kind: store.FaultBeginning},
	} {
		got, err := verify(c.list, c.anchor, c.head, c.noted...)
		var fault *store.Fault
		switch errors.As(err, &fault); {
		case c.kind == "" && (err != nil || got.Head != c.head || got.Checked != int64(len(c.list))):
			t.Errorf("%s: got %+v and %v, want it to be right", c.name, got, err)
		case c.kind != "" && (fault == nil || fault.Kind != c.kind || fault.Seq != c.seq):
			t.Errorf("%s: got %v, want entry %d: %s", c.name, err, c.seq, c.kind)
		}
	}
}

// TestVerifyBeforeTheChain: entries from before there was a chain are counted, and are none of its affair.
func TestVerifyBeforeTheChain(t *testing.T) {
	old := []store.AuditEntry{{Seq: 3, Who: "old"}, {Seq: 5, Who: "old"}}
	anchor := store.Head{Seq: 5}
	list, head := store.Chain(anchor, []store.AuditEntry{{Who: "new"}})
	got, err := verify(slices.Concat(old, list), anchor, head)
	if err != nil || got.Earlier != 2 || got.Checked != 1 {
		t.Errorf("a record with older entries: got %+v, %v; want 2 earlier, 1 checked", got, err)
	}
}

// TestNothingPassesUnseen: whatever is done to a record, it does not verify against a head that was noted.
func TestNothingPassesUnseen(t *testing.T) {
	good, head := record(12)
	rapid.Check(t, func(t *rapid.T) {
		list := slices.Clone(good)
		i, j := rapid.IntRange(0, 11).Draw(t, "i"), rapid.IntRange(0, 11).Draw(t, "j")
		switch rapid.SampledFrom([]string{"delete", "swap", "copy", "text", "hash", "cut"}).Draw(t, "how") {
		case "delete":
			list = slices.Delete(list, i, i+1)
		case "swap":
			list[i], list[j] = list[j], list[i]
		case "copy":
			list = slices.Insert(list, i, list[j])
		case "text":
			list[i].Detail += rapid.String().Draw(t, "text")
		case "hash":
			list[i].Hash = list[j].Hash
		case "cut":
			list = list[:i]
		}
		end := head
		if len(list) > 0 && rapid.Bool().Draw(t, "relinked") { // by somebody who knows how
			list, end = store.Chain(store.Head{}, list)
		}
		_, err := verify(list, store.Head{}, end, head)
		if same := slices.Equal(list, good); same != (err == nil) {
			t.Fatalf("a record that is the same (%v): got %v", same, err)
		}
	})
}

func TestParseHead(t *testing.T) {
	_, head := record(3)
	for _, want := range []store.Head{{}, head} {
		if got, err := store.ParseHead(" " + strings.ToUpper(want.String()) + "\n"); err != nil || got != want {
			t.Errorf("ParseHead(%s): got %v, %v", want, got, err)
		}
	}
	for _, text := range []string{"", "3", "3:", ":" + head.Hash, "-1:" + head.Hash, "3:" + head.Hash[1:], "3:" + head.Hash[1:] + "x", "x:" + head.Hash} {
		if got, err := store.ParseHead(text); err == nil {
			t.Errorf("ParseHead(%q): got %v, want an error", text, got)
		}
	}
}

func BenchmarkChain(b *testing.B) {
	entries, _ := record(1000)
	for b.Loop() {
		store.Chain(store.Head{}, entries)
	}
}
