package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

const (
	killsAtOnce   = 5
	killInstances = 6
	killPolicy    = `
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q, pace: { reads: 1000, writes: 1000 } }
policies:
  daily:
    backup:
      select: { tags: { backup: daily } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 2 }
`
)

// killed is one world in which an apply is killed: its account, its folder, and how to run stint in it.
type killed struct {
	t    *testing.T
	web  *actor
	dir  string
	seed uint64

	calls   atomic.Int64
	onCall  atomic.Pointer[func(n int64)] // is told of every call, before it
	resumed *atomic.Int64                 // how many kills left a run open
}

func newKilled(t *testing.T, seed uint64, resumed *atomic.Int64) *killed {
	t.Helper()
	web, err := newActor("web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.stop)
	k := &killed{t: t, web: web, dir: t.TempDir(), seed: seed, resumed: resumed}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := k.onCall.Load(); f != nil {
			(*f)(k.calls.Add(1))
		}
		slowly(web.fake, w, r)
	}))
	t.Cleanup(slow.Close)
	for i := range killInstances {
		name := "web-" + strconv.Itoa(i)
		web.add(name, map[string]string{"backup": "daily"}, 1)
		for _, days := range []int{30, 60, 90} {
			if err := web.old("daily", name, days); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(k.dir, "stint.yaml"), fmt.Appendf(nil, killPolicy, slow.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// slowly answers as slow as a cloud, so that a kill finds calls under way: before they took effect, and after.
func slowly(h http.Handler, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller was killed while it asked
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	<-time.After(5 * time.Millisecond)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	<-time.After(5 * time.Millisecond)
	for key, v := range answer.Header() {
		w.Header()[key] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the caller may be gone
}

func (k *killed) apply(out *bytes.Buffer) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	k.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "stint", "apply", "--yes", "--database", "memory.db")
	cmd.Dir, cmd.Stdout, cmd.Stderr = k.dir, out, out
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+fakeaws.AccessKey, "AWS_SECRET_ACCESS_KEY="+fakeaws.SecretKey, "AWS_EC2_METADATA_DISABLED=true", "HOME="+k.dir)
	return cmd
}

// kill starts an apply and kills it as kill -9 does, so long after it has begun its nth call.
func (k *killed) kill(nth int64, after time.Duration) {
	var out bytes.Buffer
	cmd := k.apply(&out)
	hit := func(n int64) {
		if n == nth {
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) }) // it may have ended already
		}
	}
	k.calls.Store(0)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.onCall.Store(&hit)
	defer k.onCall.Store(nil)
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		k.t.Fatalf("seed %d: apply: %v\n%s", k.seed, err, &out)
	}
}

// check wants every instance to have the slot's backup once and one older one, and nothing of ours besides.
func (k *killed) check() {
	var out bytes.Buffer
	if err := k.apply(&out).Run(); err != nil {
		k.t.Fatalf("seed %d: apply after the kill: %v\n%s", k.seed, err, &out)
	}
	if bytes.Contains(out.Bytes(), []byte("finishing")) {
		k.resumed.Add(1)
	}
	fresh, all := map[string]int{}, map[string]int{}
	for _, s := range k.web.fake.Snapshots(scriptRegion) {
		source := s.Tags[cloud.TagSource]
		if source == "" {
			k.t.Errorf("seed %d: snapshot %s is nobody's: it has lost its tags", k.seed, s.ID)
		}
		all[source]++
		if s.Tags[cloud.TagAction] != "" {
			fresh[source]++
		}
	}
	if len(all) != killInstances {
		k.t.Errorf("seed %d: %d instances have backups, want %d", k.seed, len(all), killInstances)
	}
	for source, n := range all {
		if fresh[source] != 1 || n != 2 {
			k.t.Errorf("seed %d: %s has %d backups of the slot and %d in all, want 1 and 2\n%s", k.seed, source, fresh[source], n, &out)
		}
	}
}

// TestApplySurvivesKill kills apply at random moments: afterwards no backup is missing, doubled or forgotten.
// STINT_KILLS says how often, STINT_SEED begins with another seed.
func TestApplySurvivesKill(t *testing.T) {
	kills, _ := strconv.Atoi(cmp.Or(os.Getenv("STINT_KILLS"), "20"))
	first, _ := strconv.ParseUint(cmp.Or(os.Getenv("STINT_SEED"), "1"), 10, 64)
	if testing.Short() {
		kills = 3
	}
	var resumed atomic.Int64
	k := newKilled(t, 0, &resumed)
	k.check() // undisturbed
	calls := int64(k.web.fake.Calls())

	slots := make(chan struct{}, killsAtOnce)
	var wg sync.WaitGroup
	for i := range kills {
		seed := first + uint64(i)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				k := newKilled(t, seed, &resumed)
				for range 1 + r.IntN(2) {
					k.kill(1+r.Int64N(calls), time.Duration(r.Int64N(int64(15*time.Millisecond))))
				}
				k.check()
			})
		})
	}
	wg.Wait()
	if resumed.Load() == 0 {
		t.Errorf("none of %d kills left a run open: the test kills too early or too late", kills)
	}
	t.Logf("%d of %d kills left a run open; undisturbed it makes %d calls", resumed.Load(), kills, calls)
}
