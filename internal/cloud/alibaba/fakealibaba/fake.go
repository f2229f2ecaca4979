package fakealibaba

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
	AccessKey = "LTAIEXAMPLE"
	SecretKey = "example-secret-key"
)

// Options says what kind of cloud to be. The zero value is a quick one without troubles.
type Options struct {
	Account string            // the account's number; 1111222233334444 when empty
	Regions []string          // cn-hangzhou, cn-shanghai and ap-southeast-1 when empty
	Keys    map[string]string // access key → secret key; AccessKey and SecretKey when nil
	AnyKey  bool              // accept every key without checking its signature
	Roles   map[string]string // role ARN → external id that AssumeRole demands; nil accepts every role of the account
	Seed    uint64            // changes the ids that are given out

	KMSKeys map[string][]string // the keys of each region; nil accepts every one

	Now func() time.Time // time.Now when nil

	SnapshotTime time.Duration // from progressing to accomplished
	ImageTime    time.Duration // from Creating to Available
	UsableTime   time.Duration // from Available to usable
	DiskTime     time.Duration // from Creating to Available
	InstanceTime time.Duration // of each change of an instance's state

	Latency  time.Duration // added to every call
	Lag      time.Duration // how long a fresh id is not found yet
	Throttle *Throttle     // nil never throttles

	PageSize   int  // most items on a page, whatever the caller asks for; 0 as ECS: 100, or 500 disks
	EmptyPages bool // every listing by token that has a further page begins with an empty one

	MaxSnapshots  int // of one disk; 0 is 256
	MaxUnfinished int // snapshots of one disk at a time; 0 is 5
	MaxImages     int // quota per region; 0 is 100
	MaxInstances  int // quota per region; 0 is none

	Denied []string                          // actions that answer Forbidden.RAM
	Fault  func(action string, n int) *Fault // asked before the nth call of an action, n from 1
	Fate   func(kind, source string) Fate    // how a new snapshot (of a disk) or image (of an instance) ends
	Log    func(action, region, code string) // told of every call, with a lock held; code is empty on success
}

// Throttle is how many calls of one action a minute takes in a region: when they are used up, all are refused until the
// next minute. Zero never throttles.
type Throttle struct {
	Read  int // Describe…
	Write int // everything else
}

// DefaultThrottle is what the documentation gives for an example.
func DefaultThrottle() *Throttle { return &Throttle{Read: 200, Write: 200} }

// Fault is something that goes wrong with one call.
type Fault struct {
	Code       string // the error code of the answer
	Message    string
	HTTPStatus int    // 400 when zero and there is a Code, 200 when there is a Body
	After      bool   // the call takes effect all the same; without Code or Body its answer is lost: the connection is cut
	Cut        bool   // the connection is cut; before the call takes effect unless After is set
	Body       string // this text as the answer, for example a proxy's page
	RetryAfter string // the x-acs-retry-after header, in milliseconds
}

// Fate is how something that takes time ends.
type Fate int

// The fates.
const (
	Completes Fate = iota
	Fails
	Hangs
)

// Fake is one account. It is safe for concurrent use.
type Fake struct {
	opt     Options
	actions map[string]action
	vault   *vault  // the keys that roles lend; shared by all accounts at one address
	others  []*Fake // the other accounts at the same address

	mu       sync.Mutex
	state    state
	counts   map[string]int
	failed   map[string]int // by code
	minutes  map[string]minute
	denied   map[string]bool
	allowed  []allowance // by Enforce
	enforced bool
	nonces   map[string]time.Time
	fault    func(action string, n int) *Fault
	requests uint64
	version  uint64
}

// minute counts the calls in one.
type minute struct {
	at    time.Time
	calls int
}

// New makes an account with nothing in it but each region's public base image.
func New(opt Options) *Fake {
	if opt.Account == "" {
		opt.Account = "1111222233334444"
	}
	if len(opt.Regions) == 0 {
		opt.Regions = []string{"cn-hangzhou", "cn-shanghai", "ap-southeast-1"}
	}
	if opt.Keys == nil {
		opt.Keys = map[string]string{AccessKey: SecretKey}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxSnapshots == 0 {
		opt.MaxSnapshots = 256
	}
	if opt.MaxUnfinished == 0 {
		opt.MaxUnfinished = 5
	}
	if opt.MaxImages == 0 {
		opt.MaxImages = 100
	}
	f := &Fake{
		opt:     opt,
		actions: actions(),
		vault:   &vault{lent: map[string]session{}},
		counts:  map[string]int{},
		failed:  map[string]int{},
		minutes: map[string]minute{},
		denied:  map[string]bool{},
		nonces:  map[string]time.Time{},
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
		t.Fatalf("fakealibaba: %v", err)
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

// Deny makes actions answer Forbidden.RAM; Allow takes that back.
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

// throttled counts a call of an action in a region, and says whether it is one too many. The caller holds the lock.
func (f *Fake) throttled(key string, read bool, now time.Time) bool {
	if f.opt.Throttle == nil {
		return false
	}
	limit := f.opt.Throttle.Write
	if read {
		limit = f.opt.Throttle.Read
	}
	at := now.Truncate(time.Minute)
	m := f.minutes[key]
	if !m.at.Equal(at) {
		m = minute{at: at}
	}
	m.calls++
	f.minutes[key] = m
	return limit > 0 && m.calls > limit
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
