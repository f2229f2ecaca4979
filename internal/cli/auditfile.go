package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// auditFormat names the form of an exported record. It is also the first text that each hash is made of.
const auditFormat = "stint-audit-1"

// auditView is an entry for programs, in exports too. The hash is made of these very texts.
type auditView struct {
	Seq     int64  `json:"seq"`
	At      string `json:"at,omitempty"`
	Who     string `json:"who,omitempty"`
	What    string `json:"what,omitempty"`
	Ref     string `json:"ref,omitempty"`
	Action  string `json:"action,omitempty"`
	Run     string `json:"run,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Code    string `json:"code,omitempty"`
	Request string `json:"request,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Hash    string `json:"hash,omitempty"`
}

func viewEntry(e store.AuditEntry) auditView {
	return auditView{
		Seq: e.Seq, At: store.AuditTime(e.At), Who: e.Who, What: e.What, Ref: e.Ref, Action: e.Action, Run: e.Run,
		Outcome: e.Outcome, Code: e.Code, Request: e.Request, Detail: e.Detail, Hash: e.Hash,
	}
}

func (v auditView) entry() (store.AuditEntry, error) {
	var at time.Time
	if v.At != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, v.At); err != nil {
			return store.AuditEntry{}, fmt.Errorf("its time %q cannot be read", v.At)
		}
	}
	if text := store.AuditTime(at); text != v.At { // the same moment in other words has another hash
		return store.AuditEntry{}, fmt.Errorf("its time is written as %q, want %q", v.At, text)
	}
	return store.AuditEntry{
		Seq: v.Seq, At: at, Who: v.Who, What: v.What, Ref: v.Ref, Action: v.Action, Run: v.Run,
		Outcome: v.Outcome, Code: v.Code, Request: v.Request, Detail: v.Detail, Hash: v.Hash,
	}, nil
}

// The first line of an export, and the last.
type (
	auditHeader struct {
		Format string `json:"format"`
		Anchor string `json:"anchor"` // the last entry that is not kept any more
	}
	auditFooter struct {
		Head    string `json:"head"`
		Entries int64  `json:"entries"`
	}
)

// exportAudit writes the record, also one that is wrong: it is evidence. Then it says so, with exit code 1.
func (s *shell) exportAudit(ctx context.Context, path string) error {
	m, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	to, done := s.Out, func() error { return nil }
	if path != "" {
		tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
		if err != nil {
			return short(err)
		}
		defer os.Remove(tmp.Name()) // fails once it is renamed
		defer tmp.Close()
		to, done = tmp, func() error { return errors.Join(tmp.Sync(), tmp.Close(), os.Rename(tmp.Name(), path)) }
	}
	v, err := writeAudit(ctx, m, to)
	var fault *store.Fault
	if err != nil && !errors.As(err, &fault) {
		return err
	}
	if err := done(); err != nil {
		return short(err)
	}
	if fault != nil {
		return fmt.Errorf("the record is written as it stands, and it is wrong: %w", fault)
	}
	if path != "" {
		s.say("The record is written to %s: %s, head %s", path, count(int(v.Checked+v.Earlier), "entry", "entries"), v.Head)
	}
	return nil
}

// writeAudit writes the record and checks it on the way.
func writeAudit(ctx context.Context, m store.Memory, to io.Writer) (store.Verdict, error) {
	out := bufio.NewWriter(to)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	var v *store.Verifier
	var end store.Head
	var last auditFooter
	err := m.WalkAudit(ctx, func(anchor, head store.Head) error {
		v, end, last.Head = store.NewVerifier(anchor), head, head.String()
		return enc.Encode(auditHeader{Format: auditFormat, Anchor: anchor.String()})
	}, func(e store.AuditEntry) error {
		v.Add(e)
		last.Entries++
		return enc.Encode(viewEntry(e))
	})
	if err == nil {
		err = enc.Encode(last)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return store.Verdict{}, err
	}
	return v.End(end)
}

// verifyFile checks an exported record. A line at a time is held, however long the record is.
func (s *shell) verifyFile(path string, noted []store.Head) (store.Verdict, error) {
	from, name := s.In, "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return store.Verdict{}, &exit{code: exitUsage, err: short(err)}
		}
		defer f.Close()
		from, name = f, path
	}
	dec := json.NewDecoder(bufio.NewReader(from))
	dec.DisallowUnknownFields()
	var head auditHeader
	if err := dec.Decode(&head); err != nil || head.Format != auditFormat {
		return store.Verdict{}, usage("%s is no record that `stint audit export` wrote in the form %s", name, auditFormat)
	}
	anchor, err := store.ParseHead(head.Anchor)
	if err != nil {
		return store.Verdict{}, fmt.Errorf("%s, line 1: %w", name, err)
	}
	v := store.NewVerifier(anchor, noted...)
	for n := 1; ; n++ {
		var line struct {
			auditView
			auditFooter
		}
		err := dec.Decode(&line)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return store.Verdict{}, fmt.Errorf("%s ends with line %d, before the line with the head: the export was cut off", name, n)
		case err != nil:
			return store.Verdict{}, fmt.Errorf("%s, line %d, is not as it was written: %w", name, n+1, err)
		case line.Head != "":
			return lastLine(name, dec, v, line.auditFooter, n-1)
		}
		e, err := line.entry()
		if err != nil {
			return store.Verdict{}, &store.Fault{Seq: line.Seq, Kind: store.FaultChanged, Text: err.Error()}
		}
		v.Add(e)
	}
}

// lastLine ends the check of an export that has so many entries.
func lastLine(name string, dec *json.Decoder, v *store.Verifier, last auditFooter, entries int) (store.Verdict, error) {
	head, err := store.ParseHead(last.Head)
	if err != nil {
		return store.Verdict{}, fmt.Errorf("%s, the last line: %w", name, err)
	}
	verdict, err := v.End(head)
	switch {
	case err != nil:
		return verdict, err
	case last.Entries != int64(entries):
		return store.Verdict{}, fmt.Errorf("%s says that it has %d entries, and has %d", name, last.Entries, entries)
	case dec.Decode(new(json.RawMessage)) != io.EOF:
		return store.Verdict{}, fmt.Errorf("%s goes on after the line with the head", name)
	}
	return verdict, nil
}
