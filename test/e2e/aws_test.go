package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/store/pgtest"
)

// groupSize is how many instances of the fake carry the same tag group.
const groupSize = 8

// fakeCloud is `stint fake aws` in a process of its own, asked by Amazon's own command line.
type fakeCloud struct {
	t       *testing.T
	url     string
	awscli  string
	process *process
}

func awsKeys() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY=" + fakeaws.SecretKey, "AWS_DEFAULT_REGION=us-east-1"}
}

// newFakeCloud starts it with so many instances, which are older than every slot.
func newFakeCloud(t *testing.T, instances int, args ...string) *fakeCloud {
	t.Helper()
	f := &fakeCloud{t: t, awscli: program(t, cmp.Or(os.Getenv("STINT_AWS"), "aws"), "awscli")}
	born := fakeaws.New(fakeaws.Options{Now: longAgo})
	born.AddInstances("us-east-1", instances, 1, func(i int) map[string]string {
		return map[string]string{"SnapshotDaily": "3", "group": strconv.Itoa(i / groupSize)}
	})
	h := newHome(t, "")
	state := filepath.Join(h.dir, "state.json")
	if err := born.SaveFile(state); err != nil {
		t.Fatal(err)
	}
	f.process = h.start("the fake", append([]string{"fake", "aws", "--listen", "127.0.0.1:0", "--state", state}, args...)...)
	address := regexp.MustCompile(`http://[0-9.:]+`)
	f.process.untilCount(time.Minute, address, 1)
	f.url = address.FindString(f.process.text())
	return f
}

// longAgo is before every slot that the stories know.
func longAgo() time.Time { return time.Now().AddDate(-2, 0, 0) }

// taken is a snapshot as Amazon's command line shows it.
type taken struct {
	ID     string `json:"SnapshotId"`
	Volume string `json:"VolumeId"`
	State  string
	Tags   []struct{ Key, Value string }
}

func (s taken) tag(key string) string {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// snapshots are all of the account's own.
func (f *fakeCloud) snapshots() []taken {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.awscli, "--endpoint-url", f.url, "--output", "json", "ec2", "describe-snapshots", "--owner-ids", "self")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.t.TempDir(), "AWS_PAGER="}, awsKeys()...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("aws ec2 describe-snapshots: %v\n%s", err, &errs)
	}
	var page struct{ Snapshots []taken }
	if err := json.Unmarshal(out, &page); err != nil {
		f.t.Fatalf("aws ec2 describe-snapshots: %v\n%s", err, out)
	}
	return page.Snapshots
}

// bySlot counts the complete snapshots of ours: by slot, then by source. What is not ours, or not complete, is an error.
func (f *fakeCloud) bySlot() map[string]map[string]int {
	f.t.Helper()
	out := map[string]map[string]int{}
	for _, s := range f.snapshots() {
		slot, source := s.tag("stint:slot"), s.tag("stint:source")
		if slot == "" || source == "" {
			f.t.Errorf("snapshot %s of %s is nobody's: it has the tags %v", s.ID, s.Volume, s.Tags)
			continue
		}
		if out[slot] == nil {
			out[slot] = map[string]int{}
		}
		if s.State == "completed" {
			out[slot][source]++
		}
	}
	return out
}

// exactlyOnce wants every one of n instances to have one complete backup of the slot.
func exactlyOnce(t *testing.T, slot string, got map[string]int, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("slot %s: %d instances have a backup, want %d", slot, len(got), n)
	}
	for source, times := range got {
		if times != 1 {
			t.Errorf("slot %s: %s has %d backups, want 1", slot, source, times)
		}
	}
}

// TestTwoServeOneDatabase has two daemons work on one PostgreSQL, kills one of them in the middle of a slot, and starts
// another in its place: no backup is missing, none is doubled.
func TestTwoServeOneDatabase(t *testing.T) {
	demand(t)
	const instances, slots = 40, 3
	f := newFakeCloud(t, instances, "--making", "2s", "--latency", "20ms")
	h := newHome(t, fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q, pace: { reads: 50, writes: 4 } }
policies:
  minutely:
    backup:
      select: { tags: { SnapshotDaily: "*" } }
      schedule: { every: 1m, catch-up: 5m }
      method: snapshots
      keep: { last: 100 }
`, f.url), awsKeys()...)
	h.database = pgtest.Start(t).Database(t)
	first, second := h.serve("serve 1"), h.serve("serve 2")
	done := regexp.MustCompile(`snapshot-set done`)
	first.untilCount(2*time.Minute, done, 4)
	second.untilCount(2*time.Minute, done, 4)
	first.kill()
	if n := len(f.snapshots()); n < 8 || n >= instances {
		t.Errorf("when serve 1 was killed %d of %d snapshots were there: want it killed in the middle of the slot", n, instances)
	}
	third := h.serve("serve 3")

	// An answer that died with serve 1 may have taken effect without being listed yet: AWS is given minutes for that.
	whole := func(got map[string]map[string]int) (n int) {
		for _, sources := range got {
			if len(sources) == instances {
				n++
			}
		}
		return n
	}
	until(t, patience, 3*time.Second, "the slot of the kill is complete, and two more", func() (bool, string) {
		got := f.bySlot()
		order := slices.Sorted(maps.Keys(got))
		return len(order) >= slots && len(got[order[0]]) == instances && whole(got) >= slots, fmt.Sprintf("%d slots, %d complete", len(got), whole(got))
	})
	second.stop()
	third.stop()

	got := f.bySlot()
	order := slices.Sorted(maps.Keys(got))
	for i, slot := range order {
		if i == len(order)-1 && len(got[slot]) < instances {
			continue // it had begun when the daemons were stopped
		}
		exactlyOnce(t, slot, got[slot], instances)
	}
	for slot, sources := range got {
		for source, n := range sources {
			if n > 1 {
				t.Errorf("slot %s: %s has %d backups, want none doubled", slot, source, n)
			}
		}
	}
	t.Logf("slots: %s", strings.Join(order, " "))
}

// TestKillLoop kills apply at random moments, twenty times, each on a file and a group of instances of its own, and then
// lets each come to its end: every instance has exactly one backup of the slot, none is doubled, none is forgotten.
func TestKillLoop(t *testing.T) {
	demand(t)
	const kills, instances = 20, groupSize // in each group
	f := newFakeCloud(t, kills*instances, "--making", "1s", "--latency", "200ms")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	homes := make([]*home, kills)
	open := 0
	for i := range homes {
		h := newHome(t, fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q }
policies:
  group-%d:
    backup:
      select: { tags: { group: "%[2]d" } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 2 }
`, f.url, i), awsKeys()...)
		homes[i] = h
		word := "" // every other one is killed at work; the others anywhere
		if i%2 == 0 {
			word = "Plan: "
		}
		if h.killedApply(word, time.Duration(random.Int64N(int64(600*time.Millisecond)))) {
			open++
		}
	}
	before := len(f.snapshots())
	if before == 0 || before >= kills*instances || open == 0 {
		t.Errorf("seed %d: when all were killed %d of %d snapshots were there, and %d runs were open: the test kills too early or too late", seed, before, kills*instances, open)
	}
	var wg sync.WaitGroup
	for _, h := range homes {
		wg.Go(func() {
			a := h.try("apply", "--yes")
			if a.code != 0 {
				t.Errorf("seed %d: apply after the kill: got exit code %d, want 0\n%s%s", seed, a.code, a.out, a.err)
			}
		})
	}
	wg.Wait()
	for _, h := range homes {
		h.run("plan").want(0, "Nothing to do")
		h.run("status").want(0, strconv.Itoa(instances)+" protected")
	}
	got := f.bySlot()
	if len(got) != 1 {
		t.Errorf("seed %d: got backups of %d slots, want 1", seed, len(got))
	}
	for slot, sources := range got {
		exactlyOnce(t, slot, sources, kills*instances)
	}
	if n := len(f.snapshots()); n != kills*instances {
		t.Errorf("seed %d: got %d snapshots, want %d", seed, n, kills*instances)
	}
	t.Logf("seed %d: when all were killed %d of %d snapshots were there, and %d runs were open", seed, before, kills*instances, open)
}

// killedApply starts an apply, kills it as kill -9 does so long after it has said a word, and says whether it left a run
// open.
func (h *home) killedApply(word string, after time.Duration) bool {
	h.t.Helper()
	p := h.start("apply", "apply", "--yes")
	if word != "" {
		p.until(time.Minute, word)
	}
	select {
	case <-p.done:
	case <-time.After(after):
	}
	p.kill()
	if _, err := os.Stat(h.database); err != nil {
		return false // it had not even begun
	}
	var runs []struct{ State string }
	h.run("runs", "list", "-o", "json").want(0).read(&runs)
	return slices.ContainsFunc(runs, func(r struct{ State string }) bool { return r.State == "active" })
}
