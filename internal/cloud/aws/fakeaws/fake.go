package fakeaws

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

// The key that is accepted unless Options.Keys names others.
const (
	AccessKey = "AKIDEXAMPLE"
	SecretKey = "example-secret-key"
)

// Options says what kind of cloud to be. The zero value is a quick one without troubles.
type Options struct {
	Account string            // the account's number; 111122223333 when empty
	Regions []string          // us-east-1, us-west-2, eu-west-1 and ap-southeast-1 when empty
	Keys    map[string]string // access key → secret key; AccessKey and SecretKey when nil
	AnyKey  bool              // accept every key without checking its signature
	Roles   map[string]string // role ARN → external id that AssumeRole demands; nil accepts every role
	Seed    uint64            // changes the ids that are given out

	Now func() time.Time // time.Now when nil

	SnapshotTime time.Duration // from pending to completed
	ImageTime    time.Duration // from pending to available
	VolumeTime   time.Duration // from creating to available
	InstanceTime time.Duration // of each change of an instance's state

	Latency  time.Duration // added to every call
	Lag      time.Duration // how long a fresh id is not found yet
	Throttle *Throttle     // nil never throttles

	PageSize   int  // most items on a page, whatever the caller asks for; 0 as EC2: 1000 when paging, else all
	EmptyPages bool // every listing that has a further page begins with an empty one

	MaxSnapshots int // quota per region; 0 is 100,000
	MaxImages    int // quota per region; 0 is 50,000
	MaxInstances int // quota per region; 0 is none

	SnapshotEvery time.Duration // least time between two snapshots of one volume; 0 is none

	// Sharing joins accounts that share with each other; nil is an account that shares with nobody who is there.
	Sharing *Sharing
	// KMSKeys are the ids of each region's own keys; a copy that names another fails. Nil takes any key.
	KMSKeys map[string][]string

	Denied []string                          // actions that answer UnauthorizedOperation
	Fault  func(action string, n int) *Fault // asked before the nth call of an action, n from 1
	Fate   func(kind, source string) Fate    // how a new snapshot (of a volume) or image (of an instance) ends
	Log    func(action, region, code string) // told of every call, with a lock held; code is empty on success
}

// Throttle is a token bucket for each action in each region, and one for instances that are run, started, stopped or
// terminated. A zero bucket never throttles.
type Throttle struct {
	Read      Bucket // Describe…
	Write     Bucket // everything else
	Instances Bucket // one token for each instance
}

// Bucket holds Size tokens and gets Refill of them back in a second.
type Bucket struct {
	Size   float64
	Refill float64
}

// DefaultThrottle is what EC2 documents for most accounts.
func DefaultThrottle() *Throttle {
	return &Throttle{Read: Bucket{100, 20}, Write: Bucket{50, 10}, Instances: Bucket{1000, 20}}
}

// Fault is something that goes wrong with one call.
type Fault struct {
	Code       string // the error code of the answer
	Message    string
	HTTPStatus int    // 400 when zero and there is a Code, 200 when there is a Body
	After      bool   // the call takes effect all the same; without Code or Body its answer is lost: the connection is cut
	Cut        bool   // the connection is cut; before the call takes effect unless After is set
	Body       string // this text as the answer, for example a proxy's page
	RetryAfter string // the Retry-After header
}

// Fate is how something that takes time ends.
type Fate int

// The fates.
const (
	Completes Fate = iota
	Fails
	Hangs
)

// Fake is one AWS account. It is safe for concurrent use.
type Fake struct {
	opt     Options
	actions map[string]action

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

type bucketState struct {
	tokens float64
	at     time.Time
}

// New makes an account with nothing in it but each region's public base image.
func New(opt Options) *Fake {
	if opt.Account == "" {
		opt.Account = "111122223333"
	}
	if len(opt.Regions) == 0 {
		opt.Regions = []string{"us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"}
	}
	if opt.Keys == nil {
		opt.Keys = map[string]string{AccessKey: SecretKey}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxSnapshots == 0 {
		opt.MaxSnapshots = 100_000
	}
	if opt.MaxImages == 0 {
		opt.MaxImages = 50_000
	}
	f := &Fake{
		opt:     opt,
		actions: actions(),
		counts:  map[string]int{},
		failed:  map[string]int{},
		buckets: map[string]*bucketState{},
		denied:  map[string]bool{},
		fault:   opt.Fault,
	}
	for _, a := range opt.Denied {
		f.denied[a] = true
	}
	f.state = newState(opt)
	return f
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
		t.Fatalf("fakeaws: %v", err)
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

// take asks a bucket for n tokens. The caller holds the lock.
func (f *Fake) take(key string, b Bucket, n float64, now time.Time) bool {
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
	if s.tokens < n {
		return false
	}
	s.tokens -= n
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

// ActionNames lists the actions that are answered, in order.
func (f *Fake) ActionNames() []string { return slices.Sorted(maps.Keys(f.actions)) }
