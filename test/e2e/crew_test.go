package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// crew is several serves on one database, each with a key of its own to the cloud, so that the books know who called.
type crew struct {
	*home
	front *front
	names []string // keys that nobody has yet
	all   []*mate
}

// mate is one serve of a crew.
type mate struct {
	*process
	key string
	url string // where it tells of its health
}

// crewPatience is how long a crew is given to settle all that its dead left: AWS's five minutes, and what bounds taking
// over on a machine that does much else.
const crewPatience = 12 * time.Minute

// crewKeys is how many a crew can ever have.
const crewKeys = 40

func keys() []string {
	out := make([]string, crewKeys)
	for i := range out {
		out[i] = fmt.Sprintf("AKIDWORKER%02d", i+1)
	}
	return out
}

func newCrew(t *testing.T, f *front, policies string) *crew {
	t.Helper()
	return &crew{home: newHome(t, policies, awsKeys()...), front: f, names: keys()}
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// hire starts one more, and waits until it is at work.
func (c *crew) hire() *mate {
	c.t.Helper()
	m := c.hireSoon()
	m.until(time.Minute, "serving")
	m.url = "http://" + listening.FindStringSubmatch(m.text())[1]
	return m
}

// hireSoon starts one more.
func (c *crew) hireSoon() *mate {
	c.t.Helper()
	key := c.names[0]
	c.names = c.names[1:]
	own := *c.home
	own.env = append(slices.Clone(own.env), "AWS_ACCESS_KEY_ID="+key)
	m := &mate{process: own.start("serve "+key, "serve", "--listen", "127.0.0.1:0"), key: key}
	c.all = append(c.all, m)
	return m
}

// ready says what a mate answers to who asks whether it is at work.
func (m *mate) ready() (bool, string) {
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(m.url + "/readyz")
	if err != nil {
		return false, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body) // only for the failure's text
	return res.StatusCode == http.StatusOK, fmt.Sprintf("%s: %s", res.Status, text)
}

// leave asks a mate to end. On a machine that does much else its drain may be over before its calls are: then it says so
// and ends with a code of its own, which is no matter here.
func (m *mate) leave() {
	m.t.Helper()
	m.signal(syscall.SIGTERM)
	select {
	case <-m.done:
	case <-time.After(90 * time.Second):
		m.t.Fatalf("%s does not stop when it is asked to", m.name)
	}
}

var saidDone = regexp.MustCompile(`(?m)^time=(\S+) level=INFO msg="[a-z-]+ done" .*\bref=(\S+) .*\baction=(\S+)`)

// settled is when the crew said of each action that it is done: by the action's id, and by what it was about.
func (c *crew) settled() map[string]time.Time {
	c.t.Helper()
	out := map[string]time.Time{}
	for _, m := range c.all {
		for _, line := range saidDone.FindAllStringSubmatch(m.text(), -1) {
			at, err := time.Parse(time.RFC3339Nano, line[1])
			if err != nil {
				c.t.Fatalf("%s: %v in %s", m.name, err, line[0])
			}
			out[line[3]] = at
			out[line[2][strings.LastIndexByte(line[2], '/')+1:]] = at
		}
	}
	return out
}

// what names a change as settled does.
func (c change) what() string {
	if len(c.made) > 0 {
		return c.made[0].Tags["stint:action"]
	}
	if len(c.gone) > 0 {
		return c.gone[0].ID
	}
	return ""
}

// served counts the snapshots that were ever made: by slot, then by disk.
func (f *front) served() map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, c := range f.history() {
		for _, s := range c.made {
			slot := s.Tags["stint:slot"]
			if slot == "" {
				continue
			}
			if out[slot] == nil {
				out[slot] = map[string]int{}
			}
			out[slot][s.VolumeID]++
		}
	}
	return out
}

// whole waits until every slot that has begun by now is served for all disks, and gives these slots in order. Further
// ones begin meanwhile.
func (f *front) whole(disks int, limit time.Duration) []string {
	f.t.Helper()
	slots := slices.Sorted(maps.Keys(f.served()))
	until(f.t, limit, 200*time.Millisecond, "every slot that was begun is served", func() (bool, string) {
		served, short := f.served(), []string{}
		for _, slot := range slots {
			if n := len(served[slot]); n < disks {
				short = append(short, fmt.Sprintf("%s: %d of %d", slot, n, disks))
			}
		}
		return len(short) == 0, strings.Join(short, ", ")
	})
	return slots
}

// judge says what is wrong with all that ever happened: something doubled or missing, or deleted too early.
func (f *front) judge(slots []string, disks int) {
	f.t.Helper()
	for _, wrong := range f.mistakes() {
		f.t.Error(wrong)
	}
	served := f.served()
	for _, slot := range slots {
		if len(served[slot]) != disks {
			f.t.Errorf("slot %s: %d disks have a snapshot, want %d", slot, len(served[slot]), disks)
		}
	}
	for slot, made := range served { // also those that were begun later
		for disk, n := range made {
			if n != 1 {
				f.t.Errorf("slot %s: %d snapshots of %s were ever made, want 1", slot, n, disk)
			}
		}
	}
	all := map[string]fakeaws.Snapshot{}
	for _, s := range f.fake.Snapshots(region) {
		all[s.ID] = s
	}
	whole := map[string]int{}
	for _, b := range backupsOf(all, time.Now()) {
		if b.whole {
			whole[b.source]++
		}
	}
	for source, n := range whole {
		if n < f.keep {
			f.t.Errorf("%s: %d whole backups are left, want %d at least", source, n, f.keep)
		}
	}
}

// minutes wants the slots to be every minute from the first to the last, but for so many that may be missed.
func minutes(t *testing.T, slots []string, missed int) {
	t.Helper()
	first, err1 := time.Parse(time.RFC3339, slots[0])
	last, err2 := time.Parse(time.RFC3339, slots[len(slots)-1])
	if err1 != nil || err2 != nil {
		t.Fatalf("slots %s: want times", strings.Join(slots, ", "))
	}
	if n := int(last.Sub(first)/time.Minute) + 1 - len(slots); n > missed {
		t.Errorf("got the slots %s: %d minutes are missing, want %d at most", strings.Join(slots, ", "), n, missed)
	}
}

// spans are measured times.
type spans []time.Duration

// String gives the median and the worst.
func (s spans) String() string {
	if len(s) == 0 {
		return "never measured"
	}
	slices.Sort(s)
	return fmt.Sprintf("median %s, worst %s (%d times)", round(s[len(s)/2]), round(s[len(s)-1]), len(s))
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
