package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

const region = "us-east-1"

// front stands before a fake cloud. It keeps the books of all that took effect, judges every deletion when it happens,
// knows who called, and holds answers back after the call took effect, so that there is a middle to be killed in.
type front struct {
	t    *testing.T
	fake *fakeaws.Fake
	url  string
	keep int // what the policy's rule keeps of each instance

	change sync.Mutex // one change at a time, so that the books say what came of which

	mu     sync.Mutex
	random *rand.Rand
	least  time.Duration // an answer is held back so long at least
	most   time.Duration // and at most
	calls  []*change
	known  map[string]fakeaws.Snapshot // as the books last saw them
	wrong  []string                    // deletions that should not have been
	waits  []*wait
	lost   int // answers that were lost though the call took effect
}

// change is one call that may change something.
type change struct {
	who    string // the access key that it was signed with
	action string
	began  time.Time
	over   time.Time // answered, or given up by who made it; zero while it is under way
	made   []fakeaws.Snapshot
	gone   []fakeaws.Snapshot
}

// serves says whether it made a snapshot of the slot.
func (c *change) serves(slot string) bool {
	return slices.ContainsFunc(c.made, func(s fakeaws.Snapshot) bool { return s.Tags["stint:slot"] == slot })
}

// wait is somebody who wants to know of so many more changes.
type wait struct {
	left int
	who  string // of this caller only; of all when empty
	slot string // of this slot's snapshots only; of all when empty
	done chan struct{}
}

// moods are how often a call goes wrong, in a hundred.
type moods struct {
	lose     int // it takes effect and its answer is lost
	cut      int // it is lost before it takes effect
	throttle int // it is refused as one too many
}

// newFront starts a cloud with so many instances of so many disks, which are older than every slot. The keys are those
// of its callers, each with fakeaws.SecretKey; fakeaws.AccessKey always is among them.
func newFront(t *testing.T, seed uint64, instances, disks, keep int, making time.Duration, keys ...string) *front {
	t.Helper()
	all := map[string]string{fakeaws.AccessKey: fakeaws.SecretKey}
	for _, k := range keys {
		all[k] = fakeaws.SecretKey
	}
	f := &front{t: t, keep: keep, random: rand.New(rand.NewPCG(seed, 2)), known: map[string]fakeaws.Snapshot{}}
	clock := longAgo
	f.fake = fakeaws.New(fakeaws.Options{
		Regions: []string{region}, Keys: all, SnapshotTime: making, Now: func() time.Time { return clock() },
	})
	f.fake.AddInstances(region, instances, disks, func(int) map[string]string { return map[string]string{"backup": "yes"} })
	clock = time.Now // nobody calls yet
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// hold says how long the answer to a change takes after it took effect.
func (f *front) hold(least, most time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.least, f.most = least, most
}

// feel makes calls go wrong from now on.
func (f *front) feel(m moods) {
	f.fake.SetFault(func(action string, _ int) *fakeaws.Fault {
		f.mu.Lock()
		defer f.mu.Unlock()
		writes := !strings.HasPrefix(action, "Describe")
		switch n := f.random.IntN(100); {
		case writes && n < m.lose:
			f.lost++
			return &fakeaws.Fault{After: true}
		case writes && n < m.lose+m.cut:
			return &fakeaws.Fault{Cut: true}
		case n >= 100-m.throttle:
			return &fakeaws.Fault{Code: "RequestLimitExceeded", HTTPStatus: http.StatusServiceUnavailable}
		}
		return nil
	})
}

var signedBy = regexp.MustCompile(`Credential=([^/]+)/`)

// ServeHTTP answers one request. Reads go straight through.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // who asked is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // the fake complains of what cannot be read
	if action := form.Get("Action"); strings.HasPrefix(action, "Describe") || action == "GetCallerIdentity" {
		f.fake.ServeHTTP(w, r)
		return
	}
	c := &change{action: form.Get("Action"), began: time.Now()}
	if m := signedBy.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.who = m[1]
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	answer, cut := f.carryOut(c, r)
	held := f.tell(c)
	select {
	case <-time.After(held):
	case <-r.Context().Done():
	}
	f.mu.Lock()
	c.over = time.Now()
	f.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler)
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // who asked may be gone
}

// carryOut has the fake do it, and writes down what came of it. It says whether the fake cut the connection.
func (f *front) carryOut(c *change, r *http.Request) (answer *httptest.ResponseRecorder, cut bool) {
	f.change.Lock()
	defer f.change.Unlock()
	answer = httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				cut = true
			}
		}()
		f.fake.ServeHTTP(answer, r)
	}()
	now := time.Now()
	list := f.fake.Snapshots(region)
	f.mu.Lock()
	defer f.mu.Unlock()
	before, after := f.known, map[string]fakeaws.Snapshot{}
	for _, s := range list {
		after[s.ID] = s
		if _, ok := before[s.ID]; !ok {
			c.made = append(c.made, s)
		}
	}
	for id, s := range before {
		if _, ok := after[id]; !ok {
			c.gone = append(c.gone, s)
			if why := mustStay(s, before, f.keep, now); why != "" {
				f.wrong = append(f.wrong, fmt.Sprintf("%s of %s (%s) was deleted: %s", s.ID, s.Tags["stint:source"], s.Tags["stint:slot"], why))
			}
		}
	}
	f.known = after
	return answer, cut
}

// tell tells those who wait, and says how long the answer is to be held back.
func (f *front) tell(c *change) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.waits {
		if w.left > 0 && (w.who == "" || w.who == c.who) && (w.slot == "" || c.serves(w.slot)) {
			if w.left--; w.left == 0 {
				close(w.done)
			}
		}
	}
	if f.most <= f.least {
		return f.least
	}
	return f.least + time.Duration(f.random.Int64N(int64(f.most-f.least)))
}

// after gives a channel that is closed when so many more changes have taken effect, those of one caller if it is named.
func (f *front) after(n int, who string) <-chan struct{} { return f.afterOf("", n, who) }

// afterOf is after for the changes that made snapshots of the slot.
func (f *front) afterOf(slot string, n int, who string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &wait{left: n, who: who, slot: slot, done: make(chan struct{})}
	f.waits = append(f.waits, w)
	return w.done
}

// underWay are the changes that were not answered at a time, those of one caller if it is named: their places in the
// history, where it is seen later what came of them.
func (f *front) underWay(who string, at time.Time) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []int
	for i, c := range f.calls {
		if (who == "" || c.who == who) && c.began.Before(at) && (c.over.IsZero() || c.over.After(at)) {
			out = append(out, i)
		}
	}
	return out
}

// history is every change so far.
func (f *front) history() []change {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]change, len(f.calls))
	for i, c := range f.calls {
		out[i] = *c
	}
	return out
}

// mistakes are the deletions so far that should not have been.
func (f *front) mistakes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.wrong...)
}

// mustStay is the rule, written as plainly as can be: a snapshot may be deleted when it is ours, nobody holds it, and so
// many newer backups of the same instance are whole as the policy keeps. It says why not, and nothing when it may go.
func mustStay(s fakeaws.Snapshot, all map[string]fakeaws.Snapshot, keep int, now time.Time) string {
	switch {
	case s.Tags["stint:backup"] == "" || s.Tags["stint:source"] == "":
		return "it was never ours"
	case s.Tags["stint:policy"] == "":
		return "a person took its policy's tag off"
	case s.Tags["stint:hold"] != "":
		return "a person holds it"
	}
	newer := 0
	for _, b := range backupsOf(all, now) {
		if b.source == s.Tags["stint:source"] && b.whole && !b.held && b.made.After(s.Created) {
			newer++
		}
	}
	if newer < keep {
		return fmt.Sprintf("%d newer ones of its instance are whole, and the rule keeps %d", newer, keep)
	}
	return ""
}

// recovery is one backup as its snapshots show it.
type recovery struct {
	id, source, slot string
	made             time.Time
	parts            int
	whole, held      bool
}

// backupsOf gathers snapshots that carry our tags.
func backupsOf(all map[string]fakeaws.Snapshot, now time.Time) map[string]*recovery {
	out := map[string]*recovery{}
	ready := map[string]map[string]bool{} // backup → disks that have a completed snapshot
	for _, s := range all {
		id := s.Tags["stint:backup"]
		if id == "" {
			continue
		}
		b := out[id]
		if b == nil {
			b = &recovery{id: id, source: s.Tags["stint:source"], slot: s.Tags["stint:slot"], made: s.Created}
			out[id], ready[id] = b, map[string]bool{}
		}
		b.parts++
		b.held = b.held || s.Tags["stint:hold"] != "" || s.Tags["stint:policy"] == ""
		if s.Created.After(b.made) {
			b.made = s.Created
		}
		if s.State(now) == "completed" {
			ready[id][s.VolumeID] = true
		}
		want, err := strconv.Atoi(s.Tags["stint:parts"])
		b.whole = err == nil && len(ready[id]) == want
	}
	return out
}
