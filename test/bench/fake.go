package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/plan"
)

const (
	region  = "us-east-1"
	account = "web"
	policy  = "daily"
)

// world says what the fake cloud holds and how it behaves.
type world struct {
	instances int
	disks     int           // of each
	old       int           // snapshots of each disk that Stint made on earlier days, besides the newest
	latency   time.Duration // added to each call
	making    time.Duration // from pending to complete
	refill    float64       // mutating calls a second, 0: as many as come
}

// seen is what the fake saw. Its times are microseconds since 1970, of the moment that a request arrived.
type seen struct {
	Calls     map[string]int `json:"calls"`
	Refused   map[string]int `json:"refused"`
	First     int64          `json:"first"`     // the very first request
	Creates   []int64        `json:"creates"`   // each CreateSnapshots that was not refused
	Snapshots int            `json:"snapshots"` // that carry the policy's tag
	Lost      int            `json:"lost"`      // disks without a snapshot of the newest slot
	Doubled   int            `json:"doubled"`   // snapshots of a disk and slot beyond the first
}

func (s seen) total() int {
	n := 0
	for _, c := range s.Calls {
		n += c
	}
	return n
}

// fakeMain is the process that plays the cloud. It prints its address and that of its questions, and ends with its
// standard input.
func fakeMain(args []string) error {
	var w world
	fl := flag.NewFlagSet("fake", flag.ContinueOnError)
	fl.IntVar(&w.instances, "instances", 0, "")
	fl.IntVar(&w.disks, "disks", 1, "")
	fl.IntVar(&w.old, "old", 0, "")
	fl.DurationVar(&w.latency, "latency", 0, "")
	fl.DurationVar(&w.making, "making", 0, "")
	fl.Float64Var(&w.refill, "refill", 0, "")
	if err := fl.Parse(args); err != nil {
		return err
	}
	var (
		mu      sync.Mutex
		first   int64
		creates []int64
	)
	var real atomic.Bool // the instances are older than the slot
	opt := fakeaws.Options{
		Now: func() time.Time {
			if real.Load() {
				return time.Now()
			}
			return time.Now().AddDate(0, -1, 0)
		},
		Latency: w.latency, SnapshotTime: w.making,
		Log: func(action, _, code string) {
			mu.Lock()
			defer mu.Unlock()
			if action == "CreateSnapshots" && code == "" {
				creates = append(creates, time.Now().UnixMicro())
			}
		},
	}
	if w.refill > 0 {
		opt.Throttle = &fakeaws.Throttle{Write: fakeaws.Bucket{Size: w.refill, Refill: w.refill}}
	}
	fake := fakeaws.New(opt)
	ids := fake.AddInstances(region, w.instances, w.disks, func(i int) map[string]string {
		return map[string]string{"Name": fmt.Sprintf("web-%d", i+1), "SnapshotDaily": "1", "team": "shop", "env": "prod"}
	})
	real.Store(true)
	if w.old > 0 {
		w.addOld(fake, ids)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(ln, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if first == 0 {
			first = time.Now().UnixMicro()
		}
		mu.Unlock()
		fake.ServeHTTP(rw, r)
	}))
	ask, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(ask, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		s := seen{Calls: fake.Counts(), Refused: fake.Failures()}
		s.count(fake)
		mu.Lock()
		defer mu.Unlock()
		s.First, s.Creates = first, creates
		_ = json.NewEncoder(rw).Encode(s)
	}))
	fmt.Printf("http://%s http://%s\n", ln.Addr(), ask.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// count finds what was lost and what was doubled.
func (s *seen) count(fake *fakeaws.Fake) {
	newest := slot(time.Now())
	have := map[string]int{}
	for _, snap := range fake.Snapshots(region) {
		if snap.Tags[cloud.TagPolicy] == policy {
			s.Snapshots++
		}
		if at := snap.Tags[cloud.TagSlot]; at == newest || at == "" {
			have[snap.VolumeID]++
		}
	}
	for _, v := range fake.Volumes(region) {
		switch n := have[v.ID]; {
		case n == 0:
			s.Lost++
		default:
			s.Doubled += n - 1
		}
	}
}

// slot is the policy's newest slot: midnight.
func slot(now time.Time) string {
	return plan.SlotText(now.UTC().Truncate(24 * time.Hour))
}

// addOld puts complete backups there: one of the newest slot, and old ones of the days before.
func (w world) addOld(fake *fakeaws.Fake, instances []string) {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	volumes := map[string][]string{}
	for _, v := range fake.Volumes(region) {
		volumes[v.Instance] = append(volumes[v.Instance], v.ID)
	}
	for _, id := range instances {
		ref := cloud.Ref{Account: account, Region: region, Kind: cloud.KindInstance, ID: id}
		for n := range w.old + 1 {
			at := today.AddDate(0, 0, -n)
			backup := plan.BackupID(policy, ref, plan.SlotText(at))
			for _, v := range volumes[id] {
				fake.AddSnapshot(region, fakeaws.Snapshot{VolumeID: v, Meta: fakeaws.Meta{Created: at.Add(time.Minute), Tags: map[string]string{
					cloud.TagPolicy: policy, cloud.TagSource: ref.Source(), cloud.TagSlot: plan.SlotText(at), cloud.TagBackup: backup,
					cloud.TagBy: "SnapshotDaily=1", cloud.TagParts: fmt.Sprint(len(volumes[id])), cloud.TagAction: "a-" + backup, "SnapshotDaily": "1",
				}}})
			}
		}
	}
}

// fakeCloud is a running fake, seen from outside.
type fakeCloud struct {
	url, ask string
	cmd      *exec.Cmd
	stdin    io.Closer
}

func (b *bench) fake(w world) (*fakeCloud, error) {
	return b.fakeProcess("fake", "-instances", fmt.Sprint(w.instances), "-disks", fmt.Sprint(w.disks), "-old", fmt.Sprint(w.old),
		"-latency", w.latency.String(), "-making", w.making.String(), "-refill", fmt.Sprint(w.refill))
}

// fakeProcess starts this program in the part of a cloud.
func (b *bench) fakeProcess(args ...string) (*fakeCloud, error) {
	cmd := exec.Command(b.self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	text, err := bufio.NewReader(out).ReadString('\n')
	f := &fakeCloud{cmd: cmd, stdin: in}
	if fields := strings.Fields(text); len(fields) == 2 {
		f.url, f.ask = fields[0], fields[1]
	} else {
		err = errors.Join(err, fmt.Errorf("the fake said %q", text), f.stop())
	}
	return f, err
}

func (f *fakeCloud) stop() error {
	return errors.Join(f.stdin.Close(), f.cmd.Wait())
}

// seen asks the fake what it saw.
func (f *fakeCloud) seen() (s seen, err error) {
	resp, err := http.Get(f.ask)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
