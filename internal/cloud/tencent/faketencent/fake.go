package faketencent

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The account and its key unless Options.Accounts names others.
const (
	UIN       = "100000000001"
	SecretID  = "AKIDEXAMPLE"
	SecretKey = "example-secret-key"
)

// Options says what kind of cloud to be. The zero value is a quick one without troubles.
type Options struct {
	Accounts []Login  // one of UIN with its key when empty; the hands on Fake are the first's
	Regions  []string // ap-guangzhou, ap-shanghai, ap-singapore and eu-frankfurt when empty
	AnyKey   bool     // accept every key as the first account's, without checking its signature
	Seed     uint64   // changes the ids that are given out

	Now func() time.Time // time.Now when nil

	SnapshotTime time.Duration // from CREATING to NORMAL
	ImageTime    time.Duration // from CREATING or SYNCING to NORMAL
	DiskTime     time.Duration // until a new disk is usable
	InstanceTime time.Duration // of each change of an instance's state

	Latency  time.Duration     // added to every call
	Lag      time.Duration     // how long a fresh id is not found yet
	Throttle map[string]Bucket // by action, in each region of each account; "*" is for all others; nil never throttles

	MaxSnapshots int // per region; 0 is 100,000
	MaxPerDisk   int // snapshots of one disk; 0 is 64
	MaxImages    int // per region; 0 is 500
	MaxInstances int // per region; 0 is none

	OneAtATime bool // a disk of which a snapshot is being created refuses another

	Denied []string                          // actions that answer UnauthorizedOperation
	Fault  func(action string, n int) *Fault // asked before the nth call of an action, n from 1
	Fate   func(kind, source string) Fate    // how a new snapshot (of a disk), image (of an instance or an image) or instance ends
	Log    func(action, region, code string) // told of every call, with a lock held; code is empty on success
}

// Login is one account.
type Login struct {
	UIN   string
	Keys  map[string]string // secret id → secret key
	Roles map[string]Role   // by name
}

// Role may be taken on by those whom it trusts.
type Role struct {
	Trusts     []string // accounts; none is the role's own account
	ExternalID string   // that must be named
	WebToken   string   // the OIDC token that it is lent for instead
}

// Bucket holds Size tokens and gets Refill of them back in a second.
type Bucket struct {
	Size   float64
	Refill float64
}

// DefaultThrottle is what Tencent Cloud documents, and its common 20 calls a second for the rest.
func DefaultThrottle() map[string]Bucket {
	return map[string]Bucket{"CreateImage": {10, 10}, "SyncImages": {10, 10}, "*": {20, 20}}
}

// Fault is something that goes wrong with one call.
type Fault struct {
	Code       string // the error code of the answer
	Message    string
	HTTPStatus int    // 200 when zero, as Tencent Cloud's own errors come
	After      bool   // the call takes effect all the same; without Code or Body its answer is lost: the connection is cut
	Cut        bool   // the connection is cut; before the call takes effect unless After is set
	Body       string // this text as the answer, for example a proxy's page
	RetryAfter string // the Retry-After header
}

// Fate is how something that takes time ends.
type Fate int

// The fates. A snapshot that fails is gone one day: there is no state for it.
const (
	Completes Fate = iota
	Fails
	Hangs
)

// Fake is a cloud with its accounts. It is safe for concurrent use.
type Fake struct {
	*Account // the first

	opt     Options
	actions map[string]action
	logins  map[string]Login  // by UIN
	keys    map[string]string // secret id → UIN

	mu       sync.Mutex
	state    state
	counts   map[string]int
	failed   map[string]int // by code
	buckets  map[string]*bucketState
	denied   map[string]bool
	allowed  []allowance // by Enforce
	enforced bool
	fault    func(action string, n int) *Fault
	requests uint64
	version  uint64
}

// Account is one account of a Fake, with the hands that prepare it.
type Account struct {
	f   *Fake
	uin string
}

type bucketState struct {
	tokens float64
	at     time.Time
}

// New makes a cloud with nothing in it but each region's public base image. It panics when two accounts share a number or
// a key.
func New(opt Options) *Fake {
	if len(opt.Accounts) == 0 {
		opt.Accounts = []Login{{UIN: UIN, Keys: map[string]string{SecretID: SecretKey}}}
	}
	if len(opt.Regions) == 0 {
		opt.Regions = []string{"ap-guangzhou", "ap-shanghai", "ap-singapore", "eu-frankfurt"}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	for limit, usual := range map[*int]int{&opt.MaxSnapshots: 100_000, &opt.MaxPerDisk: 64, &opt.MaxImages: 500} {
		if *limit == 0 {
			*limit = usual
		}
	}
	f := &Fake{
		opt: opt, actions: actions(), logins: map[string]Login{}, keys: map[string]string{}, counts: map[string]int{}, failed: map[string]int{},
		buckets: map[string]*bucketState{}, denied: map[string]bool{}, fault: opt.Fault,
	}
	for _, l := range opt.Accounts {
		if _, twice := f.logins[l.UIN]; twice || l.UIN == "" {
			panic(fmt.Sprintf("faketencent.New: two accounts have the number %q, or none", l.UIN))
		}
		f.logins[l.UIN] = l
		for id := range l.Keys {
			if f.keys[id] != "" {
				panic("faketencent.New: two accounts have the key " + id)
			}
			f.keys[id] = l.UIN
		}
	}
	for _, a := range opt.Denied {
		f.denied[a] = true
	}
	f.state = newState(opt)
	f.Account = &Account{f, opt.Accounts[0].UIN}
	return f
}

// In gives an account's hands. It panics when there is no such account.
func (f *Fake) In(uin string) *Account {
	if _, ok := f.logins[uin]; !ok {
		panic(fmt.Sprintf("faketencent: no account %q", uin)) // a mistake in the test
	}
	return &Account{f, uin}
}

// T is what Start needs of a test.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start serves on a free port of this machine until the test ends, and gives the URL.
func (f *Fake) Start(t T) string {
	t.Helper()
	url, stop, err := f.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatalf("faketencent: %v", err)
	}
	t.Cleanup(stop)
	return url
}

// Listen serves on an address until stop is called, and gives the URL.
func (f *Fake) Listen(addr string) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed when stop is called
	}()
	stop = func() {
		_ = srv.Close()
		<-done
	}
	return "http://" + ln.Addr().String(), stop, nil
}

// Count is how often an action was called, refused calls included.
func (f *Fake) Count(action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[action]
}

// Counts is how often each action was called.
func (f *Fake) Counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Failures is how often each error code was answered.
func (f *Fake) Failures() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.failed)
}

// Calls is how many calls came in all.
func (f *Fake) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.counts {
		n += c
	}
	return n
}

// ResetCounts starts all counters again.
func (f *Fake) ResetCounts() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
	clear(f.failed)
}

// Deny makes actions answer UnauthorizedOperation; Allow takes that back.
func (f *Fake) Deny(actions ...string) { f.deny(true, actions) }

// Allow permits actions that were denied.
func (f *Fake) Allow(actions ...string) { f.deny(false, actions) }

func (f *Fake) deny(yes bool, actions []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range actions {
		f.denied[a] = yes
	}
}

// SetFault replaces Options.Fault from the next call on. It is called with a lock held: it must not call the Fake.
func (f *Fake) SetFault(fault func(action string, n int) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Version grows with every change of what is stored: whoever saves the state need not do so while it stands still.
func (f *Fake) Version() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// ActionNames lists the actions that are answered, in order.
func (f *Fake) ActionNames() []string { return slices.Sorted(maps.Keys(f.actions)) }

// take asks the bucket of an action for a token. The caller holds the lock.
func (f *Fake) take(key, action string, now time.Time) bool {
	b, ok := f.opt.Throttle[action]
	if !ok {
		b = f.opt.Throttle["*"]
	}
	if b.Size == 0 {
		return true
	}
	s := f.buckets[key]
	if s == nil {
		s = &bucketState{tokens: b.Size, at: now}
		f.buckets[key] = s
	}
	if d := now.Sub(s.at); d > 0 {
		s.tokens = min(b.Size, s.tokens+d.Seconds()*b.Refill)
	}
	s.at = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// wait passes the added latency, or less when the caller goes away.
func (f *Fake) wait(ctx context.Context) error {
	if f.opt.Latency <= 0 {
		return nil
	}
	t := time.NewTimer(f.opt.Latency)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
