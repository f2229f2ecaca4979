package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AuditEntry is one line of the record: a decision or a mutating call.
type AuditEntry struct {
	Seq     int64 // set by the store
	At      time.Time
	Who     string // a user name, or the policy
	What    string // snapshot.create, decided snapshot.create, settled snapshot.create, run.cancel …
	Ref     string
	Action  string
	Run     string
	Outcome string // ok, or the error's class
	Code    string // the cloud's word
	Request string // the cloud's request id
	Detail  string
	Hash    string // set by the store, see Link; empty in an entry from before there was a chain
}

// AuditPruned is the What of the entry that says up to where the record was forgotten, as a head in its Ref. The chain
// itself so bears witness to its beginning: whoever cuts old entries off without it is found out.
const AuditPruned = "audit.prune"

// AuditFilter narrows a list of entries; what is empty does not narrow.
type AuditFilter struct {
	Since   time.Time // at or after
	Until   time.Time // before
	Before  int64     // with a lower Seq
	Who     string
	What    string // the beginning of it
	Action  string
	Run     string // of it, or about an action that is its
	Ref     string // any part of it
	Outcome string
	Limit   int // zero: no bound
}

// Head is one end of the chain: an entry's number and hash. The zero Head is the beginning, before the first entry.
//
// A chain holds between its anchor, which is the last entry that was forgotten, and its head, which is the newest.
type Head struct {
	Seq  int64
	Hash string
}

// beginning stands for the hash before the first entry.
var beginning = strings.Repeat("0", 2*sha256.Size)

// String is SEQ:HASH, to be noted down.
func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.hash() }

func (h Head) hash() string {
	if h.Hash == "" {
		return beginning
	}
	return h.Hash
}

// ParseHead reads what String wrote.
func ParseHead(text string) (Head, error) {
	wrong := fmt.Errorf("%q is no head of the record: want SEQ:HASH, a number and %d hexadecimal digits, as `stint audit verify` prints it", text, len(beginning))
	number, hash, ok := strings.Cut(strings.TrimSpace(text), ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || seq < 0 || len(hash) != len(beginning) {
		return Head{}, wrong
	}
	hash = strings.ToLower(hash)
	if _, err := hex.DecodeString(hash); err != nil {
		return Head{}, wrong
	}
	if hash == beginning {
		hash = ""
	}
	return Head{Seq: seq, Hash: hash}, nil
}

// AuditTime is a time as it is hashed and exported: in UTC with six decimals, or empty for none.
func AuditTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// linkFormat names how a hash is made. It is hashed first, so that another way will never be taken for this one.
const linkFormat = "stint-audit-1"

// Link is the hash of an entry that follows prev, as lower-case hexadecimal digits: SHA-256 over these texts, each as a
// netstring (its length in bytes as a decimal number, a colon, the text in UTF-8, a comma), so that no two entries look
// alike however their fields are divided:
//
//	"stint-audit-1", the hash before as hexadecimal digits (64 zeros before the first entry), seq, at as AuditTime
//	writes it, who, what, ref, action, run, outcome, code, request, detail
func Link(prev string, e AuditEntry) string {
	b := make([]byte, 0, 512)
	for _, field := range [...]string{
		linkFormat, Head{Hash: prev}.hash(), strconv.FormatInt(e.Seq, 10), AuditTime(e.At),
		e.Who, e.What, e.Ref, e.Action, e.Run, e.Outcome, e.Code, e.Request, e.Detail,
	} {
		b = strconv.AppendInt(b, int64(len(field)), 10)
		b = append(b, ':')
		b = append(b, field...)
		b = append(b, ',')
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Chain numbers and links entries after a head, and gives the new one. What it gives is what must be stored: times to
// the microsecond, and texts that every database and JSON keep as they are.
func Chain(head Head, entries []AuditEntry) ([]AuditEntry, Head) {
	out := make([]AuditEntry, len(entries))
	for i, e := range entries {
		if e.At = e.At.UTC().Truncate(time.Microsecond); e.At.Equal(time.Unix(0, 0)) {
			e.At = time.Time{} // which is how databases keep "none"
		}
		for _, text := range []*string{&e.Who, &e.What, &e.Ref, &e.Action, &e.Run, &e.Outcome, &e.Code, &e.Request, &e.Detail} {
			*text = strings.ReplaceAll(strings.ToValidUTF8(*text, "\uFFFD"), "\x00", "\uFFFD")
		}
		e.Seq = head.Seq + 1
		e.Hash = Link(head.Hash, e)
		head = Head{Seq: e.Seq, Hash: e.Hash}
		out[i] = e
	}
	return out, head
}

// EntriesOf gives those entries that are about no action, or about one of these.
func EntriesOf(entries []AuditEntry, actions func(id string) bool) []AuditEntry {
	var out []AuditEntry
	for _, e := range entries {
		if e.Action == "" || actions(e.Action) {
			out = append(out, e)
		}
	}
	return out
}
