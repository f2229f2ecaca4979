package store

import (
	"context"
	"fmt"
)

// FaultKind is how a record is wrong.
type FaultKind string

// The kinds of faults.
const (
	FaultChanged   FaultKind = "changed"      // an entry, or the hash before it, is not what was linked
	FaultMissing   FaultKind = "missing"      // an entry is not there, though one after it is
	FaultDoubled   FaultKind = "doubled"      // an entry is there twice
	FaultOrder     FaultKind = "out of order" // an entry stands after one that came later
	FaultCut       FaultKind = "cut off"      // the record ends before its head, or before a head that was noted
	FaultAdded     FaultKind = "added"        // an entry stands outside the chain: after its head, or before its anchor
	FaultBeginning FaultKind = "beginning"    // entries are gone, and none says that they were forgotten
	FaultRemade    FaultKind = "made anew"    // the chain holds, but is not the one of which a head was noted
	FaultForgotten FaultKind = "forgotten"    // the entry of a noted head is no longer kept: nothing can be said of it
)

// Fault is the first entry of a record that is wrong, and how.
type Fault struct {
	Seq  int64
	Kind FaultKind
	Text string // how, for people
}

func (f *Fault) Error() string { return fmt.Sprintf("entry %d: %s: %s", f.Seq, f.Kind, f.Text) }

// Verdict is what a record that is right came to.
type Verdict struct {
	Anchor  Head
	Head    Head
	Checked int64 // entries of the chain
	Earlier int64 // entries from before there was a chain: nothing can be said of them
}

// Verifier checks a record, given entry by entry in the order in which they stand.
type Verifier struct {
	verdict Verdict
	noted   []Head
	last    Head
	pruned  string // the anchor, as the newest entry about forgetting tells it
	fault   *Fault
}

// NewVerifier begins to check a record after its anchor. noted are heads that were noted down earlier, elsewhere.
func NewVerifier(anchor Head, noted ...Head) *Verifier {
	return &Verifier{verdict: Verdict{Anchor: anchor}, noted: noted, last: anchor}
}

// Add takes the next entry.
func (v *Verifier) Add(e AuditEntry) {
	if v.fault != nil {
		if v.fault.Kind == FaultMissing && e.Seq == v.fault.Seq {
			v.fault = &Fault{e.Seq, FaultOrder, "it stands after an entry that came later"}
		}
		return
	}
	anchor := v.verdict.Anchor
	switch {
	case e.Seq <= anchor.Seq && anchor.Hash == "" && e.Hash == "":
		v.verdict.Earlier++
		return
	case e.Seq <= anchor.Seq:
		v.wrong(e.Seq, FaultAdded, "it stands before the beginning of the record, which is after entry %d", anchor.Seq)
	case e.Seq <= v.last.Seq:
		v.wrong(e.Seq, FaultDoubled, "it is there a second time")
	case e.Seq > v.last.Seq+1 && e.Seq == v.last.Seq+2:
		v.wrong(v.last.Seq+1, FaultMissing, "it is not there, and entry %d is", e.Seq)
	case e.Seq > v.last.Seq+1:
		v.wrong(v.last.Seq+1, FaultMissing, "it and those up to %d are not there, and entry %d is", e.Seq-1, e.Seq)
	case e.Hash != Link(v.last.Hash, e):
		v.wrong(e.Seq, FaultChanged, "its hash does not follow from what it says and from the hash before it: one of the two was changed")
	default:
		v.good(e)
	}
}

func (v *Verifier) wrong(seq int64, kind FaultKind, text string, args ...any) {
	v.fault = &Fault{seq, kind, fmt.Sprintf(text, args...)}
}

func (v *Verifier) good(e AuditEntry) {
	for _, n := range v.noted {
		if n.Seq == e.Seq && n.Hash != e.Hash {
			v.wrong(e.Seq, FaultRemade, "its hash is not the one that was noted, %s: the record was made anew, and something up to this entry is not as it was", n)
			return
		}
	}
	v.last = Head{Seq: e.Seq, Hash: e.Hash}
	v.verdict.Checked++
	if e.What == AuditPruned {
		v.pruned = e.Ref
	}
}

// End gives the verdict when the record that ends with this head is right, and otherwise a *Fault.
func (v *Verifier) End(head Head) (Verdict, error) {
	v.verdict.Head = head
	anchor := v.verdict.Anchor
	switch {
	case v.fault != nil:
	case v.last.Seq < head.Seq:
		v.wrong(v.last.Seq+1, FaultCut, "the record says that it ends with entry %d, and nothing stands after %d", head.Seq, v.last.Seq)
	case v.last.Seq > head.Seq && v.verdict.Checked > 0:
		v.wrong(head.Seq+1, FaultAdded, "it stands after the end of the record, which is entry %d", head.Seq)
	case v.last.Seq > head.Seq: // there was no entry at all
		v.wrong(head.Seq, FaultBeginning, "the record says that it ends here, and that it begins after entry %d", anchor.Seq)
	case v.last.Hash != head.Hash:
		v.wrong(v.last.Seq, FaultChanged, "it is the last one, and the record says that it ends with another hash, %s", head)
	case anchor.Hash != "" && v.pruned != anchor.String():
		v.wrong(anchor.Seq, FaultBeginning, "the entries up to this one are gone, and no entry says that they were forgotten")
	}
	for _, n := range v.noted {
		switch {
		case v.fault != nil:
		case n.Seq > head.Seq:
			v.wrong(head.Seq+1, FaultCut, "a head was noted that says there were entries up to %d, and the record ends with %d", n.Seq, head.Seq)
		case n.Seq == anchor.Seq && n.Hash != anchor.Hash:
			v.wrong(n.Seq, FaultRemade, "the record begins after it with another hash than the one that was noted, %s", n)
		case n.Seq < anchor.Seq:
			v.wrong(n.Seq, FaultForgotten, "its head was noted, but the record is kept only from entry %d on: note a newer head", anchor.Seq+1)
		}
	}
	if v.fault != nil {
		return Verdict{}, v.fault
	}
	return v.verdict, nil
}

// VerifyAudit checks the record of a store, also against heads that were noted down earlier, elsewhere. The error is a
// *Fault when the record is wrong; any other says that it could not be read.
func VerifyAudit(ctx context.Context, m Memory, noted ...Head) (Verdict, error) {
	var v *Verifier
	var end Head
	err := m.WalkAudit(ctx, func(anchor, head Head) error {
		v, end = NewVerifier(anchor, noted...), head
		return nil
	}, func(e AuditEntry) error {
		v.Add(e)
		return nil
	})
	if err != nil {
		return Verdict{}, err
	}
	return v.End(end)
}
