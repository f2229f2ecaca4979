package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// load says what the fake of many accounts holds and how it behaves. Every second instance has a second disk.
type load struct {
	accounts, regions int
	instances         int           // in each region of each account
	least, most       time.Duration // added to each call: something between
	making            time.Duration
	refuse            float64 // the share of calls that is refused at random, besides what the accounts' own limits refuse
	throttle          bool    // the limits that EC2 documents
	seed              uint64
}

func (w load) places() int { return w.accounts * w.regions }
func (w load) all() int    { return w.places() * w.instances }
func (w load) disks() int  { return w.places() * (w.instances + w.instances/2) }

// accountName is the policies' word for the i-th account.
func accountName(i int) string { return fmt.Sprintf("team-%02d", i+1) }

func accessKey(i int) string { return fmt.Sprintf("AKIDLOAD%02d", i+1) }
func secretKey(i int) string { return fmt.Sprintf("load-secret-%02d", i+1) }

func regionName(i int) string {
	return []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1"}[i]
}

// loadSeen is what the fake saw of all accounts. Its times are microseconds since 1970.
type loadSeen struct {
	Calls   map[string]int `json:"calls"`   // served and refused
	Refused int            `json:"refused"` // asked too often, at random or by an account's own limit
	Random  int            `json:"random"`  // of these, at random
	Other   map[string]int `json:"other"`   // refused for anything else
	First   int64          `json:"first"`   // the very first call
	Last    int64          `json:"last"`    // the very last
	Creates []int64        `json:"creates"` // each CreateSnapshots that was served
	// Slots counts, for each slot, the disks that have a snapshot of it, and Doubled the snapshots beyond the first.
	Slots   map[string]int `json:"slots"`
	Doubled int            `json:"doubled"`
	Strange int            `json:"strange"` // snapshots that carry no slot, or are of no disk
}

func (s loadSeen) total() int {
	n := 0
	for _, c := range s.Calls {
		n += c
	}
	return n
}

// loadFakeMain is the process that plays the accounts. It prints its address and that of its questions, and ends with
// its standard input. A question begins the counts anew.
func loadFakeMain(args []string) error {
	var w load
	fl := flag.NewFlagSet("load-fake", flag.ContinueOnError)
	fl.IntVar(&w.accounts, "accounts", 1, "")
	fl.IntVar(&w.regions, "regions", 1, "")
	fl.IntVar(&w.instances, "instances", 0, "")
	fl.DurationVar(&w.least, "least", 0, "")
	fl.DurationVar(&w.most, "most", 0, "")
	fl.DurationVar(&w.making, "making", 0, "")
	fl.Float64Var(&w.refuse, "refuse", 0, "")
	fl.BoolVar(&w.throttle, "throttle", false, "")
	fl.Uint64Var(&w.seed, "seed", 1, "")
	if err := fl.Parse(args); err != nil {
		return err
	}
	c := &loadCloud{load: w, pauses: rand.New(rand.NewPCG(w.seed, 0))}
	c.forget()
	handler := c.open()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(ln, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !c.pause(r) {
			return
		}
		handler.ServeHTTP(rw, r)
	}))
	ask, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(ask, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(c.answer())
	}))
	fmt.Printf("http://%s http://%s\n", ln.Addr(), ask.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// loadCloud is the accounts and what they saw.
type loadCloud struct {
	load
	fakes []*fakeaws.Fake

	mu     sync.Mutex
	pauses *rand.Rand
	saw    loadSeen
}

func (c *loadCloud) forget() {
	c.saw = loadSeen{Calls: map[string]int{}, Other: map[string]int{}, Slots: map[string]int{}}
}

// open makes the accounts, with instances older than any slot.
func (c *loadCloud) open() http.Handler {
	var regions []string
	for r := range c.regions {
		regions = append(regions, regionName(r))
	}
	var begun bool // before anybody calls, so no lock guards it
	for i := range c.accounts {
		luck := rand.New(rand.NewPCG(c.seed, uint64(i)+1))
		opt := fakeaws.Options{
			Account: fmt.Sprintf("1111222233%02d", i+1), Regions: regions, Keys: map[string]string{accessKey(i): secretKey(i)}, Seed: uint64(i) + 1,
			SnapshotTime: c.making, Log: c.log,
			Now: func() time.Time {
				if begun {
					return time.Now()
				}
				return time.Now().AddDate(0, -1, 0)
			},
			Fault: func(string, int) *fakeaws.Fault {
				if luck.Float64() >= c.refuse {
					return nil
				}
				c.mu.Lock()
				c.saw.Random++
				c.mu.Unlock()
				return &fakeaws.Fault{Code: tooOften, HTTPStatus: http.StatusServiceUnavailable}
			},
		}
		if c.throttle {
			opt.Throttle = fakeaws.DefaultThrottle()
		}
		f := fakeaws.New(opt)
		for _, region := range regions {
			for n := range c.instances {
				f.AddInstance(region, fakeaws.NewInstance{
					Disks: make([]fakeaws.NewDisk, 1+n%2),
					Tags:  map[string]string{"Name": fmt.Sprintf("web-%d", n+1), "SnapshotDaily": "1", "team": accountName(i)},
				})
			}
		}
		c.fakes = append(c.fakes, f)
	}
	begun = true
	return fakeaws.Accounts(c.fakes...)
}

const tooOften = "RequestLimitExceeded"

// log hears of each call.
func (c *loadCloud) log(action, _, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UnixMicro()
	if c.saw.First == 0 {
		c.saw.First = now
	}
	c.saw.Last = now
	c.saw.Calls[action]++
	switch {
	case code == tooOften:
		c.saw.Refused++
	case code != "":
		c.saw.Other[code]++
	case action == "CreateSnapshots":
		c.saw.Creates = append(c.saw.Creates, now)
	}
}

// pause lets the way to the cloud take its time.
func (c *loadCloud) pause(r *http.Request) bool {
	c.mu.Lock()
	d := c.least
	if c.most > c.least {
		d += time.Duration(c.pauses.Int64N(int64(c.most - c.least)))
	}
	c.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// answer gives what was seen since the last question, and what is there now.
func (c *loadCloud) answer() loadSeen {
	c.mu.Lock()
	s := c.saw
	c.forget()
	c.mu.Unlock()
	for _, f := range c.fakes {
		for r := range c.regions {
			s.count(f, regionName(r))
		}
	}
	return s
}

// count finds what is covered, doubled and strange in one region.
func (s *loadSeen) count(f *fakeaws.Fake, region string) {
	disks := map[string]bool{}
	for _, v := range f.Volumes(region) {
		disks[v.ID] = true
	}
	have := map[[2]string]bool{}
	for _, snap := range f.Snapshots(region) {
		slot := snap.Tags[cloud.TagSlot]
		key := [2]string{snap.VolumeID, slot}
		switch {
		case slot == "" || !disks[snap.VolumeID]:
			s.Strange++
		case have[key]:
			s.Doubled++
		default:
			have[key] = true
			s.Slots[slot]++
		}
	}
}

func (b *bench) loadFake(w load) (*fakeCloud, error) {
	if w.regions > 5 {
		return nil, errors.New("the fake has five regions")
	}
	return b.fakeProcess("load-fake", "-accounts", fmt.Sprint(w.accounts), "-regions", fmt.Sprint(w.regions), "-instances", fmt.Sprint(w.instances),
		"-least", w.least.String(), "-most", w.most.String(), "-making", w.making.String(), "-refuse", fmt.Sprint(w.refuse),
		fmt.Sprintf("-throttle=%t", w.throttle), "-seed", fmt.Sprint(w.seed))
}
