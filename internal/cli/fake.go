package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// saveEvery is how often a fake's state is saved while it changes.
const saveEvery = time.Second

// seedAge is how long ago the instances that a fake begins with were made.
const seedAge = 30 * 24 * time.Hour

type fakeFlags struct {
	listen  string
	latency time.Duration
	seed    int
	state   string
	making  time.Duration
	anyKey  bool
}

func (s *shell) fakeCommand() *cobra.Command {
	var f fakeFlags
	cmd := &cobra.Command{
		Use:   "fake CLOUD",
		Short: "Answer a cloud's wire API in process, to try clients and policies",
		Long: `Fake answers the wire API of a cloud on this machine, so that policies (endpoint:) and other clients can be tried
without an account. This version knows aws: EC2 and STS.

  stint fake aws --seed 3 &
  AWS_ACCESS_KEY_ID=` + fakeaws.AccessKey + ` AWS_SECRET_ACCESS_KEY=` + fakeaws.SecretKey + ` \
    aws --endpoint-url http://127.0.0.1:8643 --region us-east-1 ec2 describe-instances`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"aws"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "aws" {
				return usage("no cloud %q can be faked: this version knows aws", args[0])
			}
			return s.fakeAWS(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8643", "`ADDRESS` to listen on")
	fl.DurationVar(&f.latency, "latency", 0, "how long each answer takes")
	fl.IntVar(&f.seed, "seed", 0, "begin with `N` instances in us-east-1, each with a disk and the tag SnapshotDaily=3")
	fl.StringVar(&f.state, "state", "", "keep what is stored in this `FILE`")
	fl.DurationVar(&f.making, "making", 3*time.Second, "how long snapshots and images take")
	fl.BoolVar(&f.anyKey, "any-key", false, "accept every key without checking signatures")
	return cmd
}

func (s *shell) fakeAWS(ctx context.Context, f fakeFlags) error {
	var past time.Duration // what is seeded has been there for a while, so that every slot covers it
	fake := fakeaws.New(fakeaws.Options{
		Now:     func() time.Time { return time.Now().Add(-past) },
		Latency: f.latency, SnapshotTime: f.making, ImageTime: f.making, VolumeTime: f.making / 2, InstanceTime: f.making / 2, AnyKey: f.anyKey,
	})
	fresh := true
	if f.state != "" {
		switch err := fake.LoadFile(f.state); {
		case err == nil:
			fresh = false
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("the state in %s: %w", f.state, err)
		}
	}
	if fresh && f.seed > 0 {
		past = seedAge
		fake.AddInstances("us-east-1", f.seed, 1, func(i int) map[string]string {
			return map[string]string{"Name": fmt.Sprintf("web-%d", i+1), "SnapshotDaily": "3"}
		})
		past = 0 // nobody calls yet
	}
	url, stop, err := fake.Listen(f.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "AWS is answered at %s (access key %s, secret key %s) until stopped.\n", url, fakeaws.AccessKey, fakeaws.SecretKey)
	err = saveWhile(ctx, fake, f.state)
	stop()
	if f.state != "" {
		err = errors.Join(err, fake.SaveFile(f.state))
	}
	return err
}

// saveWhile saves the state whenever it has changed, until ctx ends.
func saveWhile(ctx context.Context, fake *fakeaws.Fake, path string) error {
	if path == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	var saved uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if v := fake.Version(); v != saved {
			if err := fake.SaveFile(path); err != nil {
				return err
			}
			saved = v
		}
	}
}
