package cli

import (
	"context"
	"io/fs"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/policy"
)

var faking = regexp.MustCompile(`answered at (http://[0-9.:]+) \(access key (\S+), secret key (\S+)\) until stopped`)

// TestEveryFakeAnswersItsProvider: at the address and with the key that it prints, with the instances that it begins with,
// which are there again when it is started once more.
func TestEveryFakeAnswersItsProvider(t *testing.T) {
	first := map[string]string{"alibaba": "cn-hangzhou", "aws": "us-east-1", "tencent": "ap-guangzhou"}
	for _, c := range fakeClouds() {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			state := filepath.Join(home, "state.json")
			var ids []string
			for _, seed := range []string{"2", "7"} { // the second time there is a state
				ctx, cancel := context.WithCancel(t.Context())
				var out, wrong lines
				done := make(chan int, 1)
				go func() {
					done <- Main(ctx, []string{"fake", c.name, "--listen", "127.0.0.1:0", "--seed", seed, "--state", state}, IO{Out: &out, Err: &wrong, Env: func(name string) string { return map[string]string{"HOME": home}[name] }})
				}()
				var told []string
				for deadline := time.Now().Add(20 * time.Second); told == nil && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					told = faking.FindStringSubmatch(out.String())
				}
				if told == nil {
					t.Fatalf("stint fake %s: got %q and %q, want where it is answered", c.name, out.String(), wrong.String())
				}
				keys := map[string]string{"ID": told[2], "KEY": told[3]}
				p, err := clouds.Opener(t.Context(), config.System{
					Env: func(name string) string { return keys[name] }, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
				})(policy.Account{
					Name: "tried", Cloud: c.name, Endpoint: told[1], Regions: []string{first[c.name]},
					Credentials: policy.Credentials{AccessKey: "env:ID", SecretKey: "env:KEY"},
				})
				if err != nil {
					t.Fatalf("opening an account of %s: got %v, want no error", c.name, err)
				}
				var seen []string
				for v, err := range cloud.NewClient("tried", p).Instances(t.Context(), cloud.Query{Region: first[c.name], Tags: cloud.Tags{{Key: "SnapshotDaily", Value: "3"}}}) {
					if err != nil {
						t.Fatalf("instances of %s: got %v, want no error", c.name, err)
					}
					if age := time.Since(v.CreatedAt); age < 29*24*time.Hour {
						t.Errorf("instance %s is %v old, want a month, so that every slot covers it", v.Ref, age)
					}
					seen = append(seen, v.Ref.ID)
				}
				if len(seen) != 2 || ids != nil && (seen[0] != ids[0] || seen[1] != ids[1]) {
					t.Errorf("stint fake %s --seed %s: instances %v, want two, and the same once there is a state (%v)", c.name, seed, seen, ids)
				}
				ids = seen
				cancel()
				if code := <-done; code != exitDone {
					t.Errorf("stint fake %s ends with %d: %s", c.name, code, wrong.String())
				}
			}
		})
	}
	var out, wrong lines
	if code := Main(t.Context(), []string{"fake", "azure", "--database", "none.db"}, IO{Out: &out, Err: &wrong}); code != exitUsage {
		t.Errorf("stint fake azure: got %d and %q, want %d", code, wrong.String(), exitUsage)
	}
}
