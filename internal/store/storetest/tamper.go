package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// Tampered examines whether the record tells when somebody has written to the database behind the store's back. open
// makes a store, and what runs statements on its database as any program could.
func Tampered(t *testing.T, open func(t *testing.T) (s store.Store, raw func(statements ...string))) {
	const columns = `noted_at, who, what, ref, action, run, outcome, code, request, detail, hash`
	for _, c := range []struct {
		name       string
		statements []string
		seq        int64
		kind       store.FaultKind
	}{
		{"who changed", []string{`UPDATE audit SET who = 'nobody' WHERE seq = 3`}, 3, store.FaultChanged},
		{"time changed", []string{`UPDATE audit SET noted_at = noted_at + 1 WHERE seq = 5`}, 5, store.FaultChanged},
		{"hash changed", []string{`UPDATE audit SET hash = 'x' || substr(hash, 2) WHERE seq = 4`}, 4, store.FaultChanged},
		{"two swapped", []string{`UPDATE audit SET seq = -1 WHERE seq = 2`, `UPDATE audit SET seq = 2 WHERE seq = 3`, `UPDATE audit SET seq = 3 WHERE seq = -1`}, 2, store.FaultChanged},
		{"one deleted", []string{`DELETE FROM audit WHERE seq = 3`}, 3, store.FaultMissing},
		{"the first deleted", []string{`DELETE FROM audit WHERE seq = 1`}, 1, store.FaultMissing},
		{"the last deleted", []string{`DELETE FROM audit WHERE seq = 5`}, 5, store.FaultCut},
		{"all deleted", []string{`DELETE FROM audit`}, 1, store.FaultCut},
		{"one deleted and the gap closed", []string{`DELETE FROM audit WHERE seq = 5`, `UPDATE audit_head SET seq = 4`}, 4, store.FaultChanged},
		{"one inserted", []string{`INSERT INTO audit (seq, ` + columns + `) SELECT 6, ` + columns + ` FROM audit WHERE seq = 5`}, 6, store.FaultChanged},
		{"one inserted, and said to be from before the chain", []string{`INSERT INTO audit (seq, ` + columns + `) SELECT 0, ` + columns + ` FROM audit WHERE seq = 5`}, 0, store.FaultAdded},
		{"the beginning cut off", []string{
			`UPDATE audit_head SET anchor_seq = 3, anchor_hash = (SELECT hash FROM audit WHERE seq = 3)`, `DELETE FROM audit WHERE seq <= 3`,
		}, 3, store.FaultBeginning},
		{"the beginning cut off as though it was from before the chain", []string{`UPDATE audit_head SET anchor_seq = 3`, `DELETE FROM audit WHERE seq <= 3`}, 4, store.FaultChanged},
		{"cut off at the end with its head", []string{
			`UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)`, `DELETE FROM audit WHERE seq > 3`,
		}, 4, store.FaultCut},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, raw := open(t)
			for i := range 5 {
				ok(t, "Append", s.Append(t.Context(), store.AuditEntry{At: after(time.Duration(i) * time.Second), Who: "ann", What: fmt.Sprint(i)}))
			}
			_, noted, err := s.AuditHead(t.Context())
			ok(t, "AuditHead", err)
			verified(t, s, noted)
			raw(c.statements...)
			_, err = store.VerifyAudit(t.Context(), s, noted)
			var fault *store.Fault
			if !errors.As(err, &fault) || fault.Seq != c.seq || fault.Kind != c.kind {
				t.Fatalf("VerifyAudit: got %v, want entry %d: %s", err, c.seq, c.kind)
			}
			if err := s.Append(t.Context(), store.AuditEntry{What: "more"}); err != nil && c.seq != 6 {
				t.Fatalf("Append to a record that is wrong: got error %v, want none: the calls go on", err)
			}
			if _, err := store.VerifyAudit(t.Context(), s, noted); !errors.As(err, &fault) {
				t.Fatalf("VerifyAudit after more was appended: got %v, want it to be wrong still", err)
			}
		})
	}
}
