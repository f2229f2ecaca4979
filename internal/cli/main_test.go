package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/clouds"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/policy"
)

var update = flag.Bool("update", false, "write golden files and scripts again")

// TestMain makes the test binary be stint as well, for scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stint": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(Main(ctx, os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Open: openQuick}))
	}})
}

// quick is AWS without the minutes that its listings may lag: the fake's do not.
type quick struct{ *aws.Provider }

func (q quick) Traits() cloud.Traits {
	t := q.Provider.Traits()
	t.Lag = 500 * time.Millisecond
	return t
}

func openQuick(a policy.Account) (cloud.Provider, error) {
	p, err := clouds.Opener(context.Background(), config.System{Env: os.Getenv, ReadFile: os.ReadFile})(a)
	if err != nil {
		return nil, err
	}
	real, ok := p.(*aws.Provider)
	if !ok {
		return nil, fmt.Errorf("the scripts know aws alone, not %T", p)
	}
	return quick{real}, nil
}
