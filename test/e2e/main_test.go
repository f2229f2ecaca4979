package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the variable that names the program under test; TestMain builds it when nobody has.
const binary = "STINT_E2E_BINARY"

func TestMain(m *testing.M) {
	code, err := withBinary(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBinary(m *testing.M) (int, error) {
	if os.Getenv("STINT_E2E") != "1" || os.Getenv(binary) != "" {
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "stint-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "stint")
	build := exec.Command("go", "build", "-o", path, "./cmd/stint")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build ./cmd/stint: %w\n%s", err, out)
	}
	if err := os.Setenv(binary, path); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// demand skips the story unless the end-to-end tests were asked for; then everything it needs must be there.
func demand(t *testing.T) {
	t.Helper()
	if os.Getenv("STINT_E2E") != "1" {
		t.Skip("an end-to-end story: run test/e2e/run, or set STINT_E2E=1")
	}
	t.Parallel()
}

// program gives the path of a program that is not ours.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("no %s on the PATH: apt-get install %s", name, debian)
	}
	return path
}

// openstackClouds is the clouds.yaml of the OpenStack that test/openstack brings up.
func openstackClouds(t *testing.T) string {
	t.Helper()
	path := os.Getenv("STINT_OPENSTACK_CLOUDS")
	if path == "" {
		t.Fatal("STINT_OPENSTACK_CLOUDS is not set: give it the clouds.yaml of test/openstack")
	}
	return path
}

func mailDir() string {
	return cmp.Or(os.Getenv("MAIL_DIR"), filepath.Join(os.TempDir(), "stint-mail"))
}

// unique is a short name that no other run of the tests uses.
func unique() string { return strings.ToLower(rand.Text()[:8]) }

// pause waits for something that has no events: another process, a real cloud, the next minute.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// until polls until ok, which says what it still waits for.
func until(t *testing.T, limit, every time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	began := time.Now()
	for {
		done, state := ok()
		if done {
			return
		}
		if time.Since(began) > limit {
			t.Fatalf("%s: not after %s: %s", what, limit, state)
		}
		if t.Context().Err() != nil {
			t.Fatalf("%s: the test is over: %s", what, state)
		}
		pause(t.Context(), every)
	}
}
