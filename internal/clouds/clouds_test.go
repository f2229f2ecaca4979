package clouds

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/policy"
)

func noSystem() config.System {
	return config.System{Env: func(string) string { return "" }, ReadFile: func(string) ([]byte, error) { return nil, errors.New("no files here") }}
}

// TestEveryCloudOfThePoliciesIsKnown: what Parse lets through can be opened.
func TestEveryCloudOfThePoliciesIsKnown(t *testing.T) {
	var names []string
	for _, e := range list() {
		names = append(names, e.name)
	}
	if want := policy.DefaultClouds(); !slices.Equal(names, want) {
		t.Errorf("the clouds are %v, the policies know %v: want the same", names, want)
	}
}

func TestOpener(t *testing.T) {
	open := Opener(t.Context(), noSystem())
	_, err := open(policy.Account{Name: "x", Cloud: "azure"})
	if !errors.Is(err, cloud.ErrUnsupported) {
		t.Errorf("open of an unknown cloud: got %v, want ErrUnsupported", err)
	}
	_, err = open(policy.Account{Name: "web", Cloud: "aws", Credentials: policy.Credentials{AccessKey: "env:A", SecretKey: "env:B"}})
	if !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "access-key") || !strings.Contains(err.Error(), "secret-key") {
		t.Errorf("open with two missing secrets: got %v, want ErrDenied that names both", err)
	}
	_, err = open(policy.Account{Name: "shop", Cloud: "alibaba", Credentials: policy.Credentials{AccessKey: "env:A", SecretKey: "env:B"}})
	if !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "access-key") {
		t.Errorf("open of alibaba with two missing secrets: got %v, want ErrDenied that names them", err)
	}
	p, err := open(policy.Account{Name: "shop", Cloud: "alibaba", Endpoint: "http://127.0.0.1:1"})
	if err != nil || p.Traits().Cloud != "alibaba" {
		t.Errorf("open of alibaba: got %v, %v; want a provider without a call", p, err)
	}
	_, err = open(policy.Account{Name: "games", Cloud: "tencent", Credentials: policy.Credentials{AccessKey: "env:A", SecretKey: "env:B"}})
	if !errors.Is(err, cloud.ErrDenied) || !strings.Contains(err.Error(), "access-key") {
		t.Errorf("open of tencent with two missing secrets: got %v, want ErrDenied that names them", err)
	}
	p, err = open(policy.Account{Name: "games", Cloud: "tencent", Endpoint: "http://127.0.0.1:1"})
	if err != nil || p.Traits().Cloud != "tencent" {
		t.Errorf("open of tencent: got %v, %v; want a provider without a call", p, err)
	}
	p, err = open(policy.Account{Name: "web", Cloud: "aws", Endpoint: "http://127.0.0.1:1"})
	if err != nil || p.Traits().Cloud != "aws" {
		t.Errorf("open of aws: got %v, %v; want a provider without a call", p, err)
	}
}

func TestPaceOf(t *testing.T) {
	if got, want := paceOf(policy.Account{Cloud: "aws"}), (paces{reads: 20, writes: 10, burst: 100}); got != want {
		t.Errorf("paceOf(aws): got %v, want %v", got, want)
	}
	got := paceOf(policy.Account{Cloud: "aws", Pace: policy.Pace{Writes: 3}})
	if want := (paces{reads: 20, writes: 3}); got != want {
		t.Errorf("paceOf with writes: 3: got %v, want %v", got, want)
	}
	if r, w := got.of("web/us-east-1/read"), got.of("web/us-east-1/write"); r != 20 || w != 3 {
		t.Errorf("of(read), of(write): got %v, %v; want 20, 3", r, w)
	}
}

// memory is a pace in memory.
type memory struct {
	keys   []string
	pushed int
	most   time.Duration
}

func (m *memory) TakePace(_ context.Context, key string, _ time.Time, _ float64, _ int, most time.Duration) (time.Duration, bool, error) {
	m.keys = append(m.keys, key)
	return m.most, m.most <= most, nil
}

func (m *memory) PushPace(context.Context, string, time.Time) error { m.pushed++; return nil }

func TestSharedPace(t *testing.T) {
	m := &memory{}
	p := sharedPace{m, paces{reads: 20, writes: 10, burst: 100}}
	if _, err := p.Take(t.Context(), "web/us-east-1/write", time.Now()); err != nil {
		t.Errorf("Take: %v", err)
	}
	m.most = time.Hour
	if wait, err := p.Take(t.Context(), "web/us-east-1/write", time.Now()); !errors.Is(err, cloud.ErrThrottled) || wait != time.Hour {
		t.Errorf("Take of a place an hour away: got %v, %v; want ErrThrottled", wait, err)
	}
	if err := p.Push(t.Context(), "k", time.Now(), 0); err != nil || m.pushed != 1 {
		t.Errorf("Push: got %v, %d pushes; want 1", err, m.pushed)
	}
}
