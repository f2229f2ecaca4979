package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/store/pgtest"
)

// fakeCloud is `stint fake aws` in a process of its own, asked by Amazon's own command line.
type fakeCloud struct {
	t       *testing.T
	url     string
	process *process
}

func awsKeys() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY=" + fakeaws.SecretKey, "AWS_DEFAULT_REGION=us-east-1"}
}

// newFakeCloud starts it with so many instances, which are older than every slot.
func newFakeCloud(t *testing.T, instances int, args ...string) *fakeCloud {
	t.Helper()
	f := &fakeCloud{t: t}
	born := fakeaws.New(fakeaws.Options{Now: longAgo})
	born.AddInstances("us-east-1", instances, 1, func(int) map[string]string {
		return map[string]string{"SnapshotDaily": "3"}
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

// awscli has Amazon's own command line do something of EC2, and gives what it prints.
func awscli(t *testing.T, url string, args ...string) string {
	t.Helper()
	path := program(t, cmp.Or(os.Getenv("STINT_AWS"), "aws"), "awscli")
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--endpoint-url", url, "--output", "json", "ec2"}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER="}, awsKeys()...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("aws ec2 %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return string(out)
}

// awsSnapshots are all of the account's own, as Amazon's command line lists them.
func awsSnapshots(t *testing.T, url string) []taken {
	t.Helper()
	out := awscli(t, url, "describe-snapshots", "--owner-ids", "self")
	var page struct{ Snapshots []taken }
	if err := json.Unmarshal([]byte(out), &page); err != nil {
		t.Fatalf("aws ec2 describe-snapshots: %v\n%s", err, out)
	}
	return page.Snapshots
}

// snapshots are all of the account's own.
func (f *fakeCloud) snapshots() []taken {
	f.t.Helper()
	return awsSnapshots(f.t, f.url)
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
	const instances, slots = 100, 3
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
