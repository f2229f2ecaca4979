package store

import (
	"strings"
	"testing"
	"time"
)

// FuzzParseHead: what is read is what String writes, and nothing else is taken for a head.
func FuzzParseHead(f *testing.F) {
	f.Add("0:" + beginning)
	f.Add("12:" + strings.Repeat("aB", 32))
	for _, s := range []string{"", ":", "1:", "-1:" + beginning, " 3:" + beginning + "\n", "9223372036854775808:" + beginning, "+1:" + beginning, "1:" + strings.Repeat("é", 32)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHead(text)
		if err != nil {
			if h != (Head{}) {
				t.Errorf("ParseHead(%q) = %v with error %v", text, h, err)
			}
			return
		}
		again, err := ParseHead(h.String())
		if err != nil || again != h || h.Seq < 0 {
			t.Errorf("ParseHead(%q) = %v; written as %q it reads %v, %v", text, h, h.String(), again, err)
		}
	})
}

// FuzzChain: whatever stands in the entries, they are linked so that they are found right, can be kept and read by any
// store, and are found wrong once anything is moved from one field to the next.
func FuzzChain(f *testing.F) {
	f.Add("ann", "run.cancel", "", "why", int64(0))
	f.Add("1:a,", "\xff\x00", "5:x", ",", int64(-62135596800))
	f.Fuzz(func(t *testing.T, who, what, ref, detail string, second int64) {
		e := AuditEntry{At: time.Unix(second%(1<<36), 123456789), Who: who, What: what, Ref: ref, Detail: detail}
		entries, head := Chain(Head{}, []AuditEntry{e, {Who: detail, What: "x"}})
		verify := func(list []AuditEntry) error {
			v := NewVerifier(Head{})
			for _, e := range list {
				v.Add(e)
			}
			_, err := v.End(head)
			return err
		}
		if err := verify(entries); err != nil {
			t.Errorf("a fresh chain of %+v is wrong: %v", entries, err)
		}
		if strings.ContainsRune(entries[0].Who+entries[0].Detail, 0) || entries[0].Who != strings.ToValidUTF8(entries[0].Who, "?") {
			t.Errorf("the chain holds %q, which not every store keeps", entries[0].Who)
		}
		moved := append([]AuditEntry(nil), entries...)
		moved[0].Who, moved[0].What = moved[0].Who+moved[0].What, ""
		if moved[0] != entries[0] && verify(moved) == nil {
			t.Errorf("%+v is taken for %+v", moved[0], entries[0])
		}
	})
}
