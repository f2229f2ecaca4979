package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stint-cloud/stint/internal/cloud/alibaba/fakealibaba"
	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
	"github.com/stint-cloud/stint/internal/cloud/tencent/faketencent"
)

// saveEvery is how often a fake's state is saved while it changes.
const saveEvery = time.Second

// seedAge is how long ago the instances that a fake begins with were made.
const seedAge = 30 * 24 * time.Hour

type fakeFlags struct {
	listen    string
	latency   time.Duration
	seed      int
	state     string
	making    time.Duration
	anyKey    bool
	throttled bool
}

// faked is an account of a cloud that is answered in process.
type faked interface {
	Listen(addr string) (url string, stop func(), err error)
	LoadFile(path string) error
	SaveFile(path string) error
	Version() uint64
}

// fakeCloud is a cloud that can be faked: what it is called, its key, and how an account of it is made. seed puts the first
// instances there.
type fakeCloud struct {
	name, label, key, secret string
	make                     func(f fakeFlags, now func() time.Time) (account faked, seed func())
}

func fakeClouds() []fakeCloud {
	return []fakeCloud{
		{"alibaba", "Alibaba Cloud", fakealibaba.AccessKey, fakealibaba.SecretKey, fakeAlibaba},
		{"aws", "AWS", fakeaws.AccessKey, fakeaws.SecretKey, fakeAWS},
		{"tencent", "Tencent Cloud", faketencent.SecretID, faketencent.SecretKey, fakeTencent},
	}
}

func (s *shell) fakeCommand() *cobra.Command {
	var f fakeFlags
	var names []string
	for _, c := range fakeClouds() {
		names = append(names, c.name)
	}
	cmd := &cobra.Command{
		Use:   "fake CLOUD",
		Short: "Answer a cloud's wire API in process, to try clients and policies",
		Long: `Fake answers the wire API of a cloud on this machine, so that policies (endpoint:) and other clients can be tried
without an account. This version knows alibaba (ECS and STS), aws (EC2 and STS) and tencent
(CVM, CBS, STS and the tag service).

  stint fake aws --seed 3 &
  AWS_ACCESS_KEY_ID=` + fakeaws.AccessKey + ` AWS_SECRET_ACCESS_KEY=` + fakeaws.SecretKey + ` \
    aws --endpoint-url http://127.0.0.1:8643 --region us-east-1 ec2 describe-instances`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, c := range fakeClouds() {
				if c.name == args[0] {
					return s.fake(cmd.Context(), c, f)
				}
			}
			return usage("no cloud %q can be faked: this version knows %s", args[0], strings.Join(names, ", "))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8643", "`ADDRESS` to listen on")
	fl.DurationVar(&f.latency, "latency", 0, "how long each answer takes")
	fl.IntVar(&f.seed, "seed", 0, "begin with `N` instances in the first region (cn-hangzhou, us-east-1, ap-guangzhou), each with a disk and the tag SnapshotDaily=3")
	fl.StringVar(&f.state, "state", "", "keep what is stored in this `FILE`")
	fl.DurationVar(&f.making, "making", 3*time.Second, "how long snapshots and images take")
	fl.BoolVar(&f.anyKey, "any-key", false, "accept every key without checking signatures")
	fl.BoolVar(&f.throttled, "throttled", false, "refuse what is asked too often, as the cloud documents it")
	return cmd
}

func fakeAWS(f fakeFlags, now func() time.Time) (faked, func()) {
	o := fakeaws.Options{
		Now: now, Latency: f.latency, SnapshotTime: f.making, ImageTime: f.making, VolumeTime: f.making / 2, InstanceTime: f.making / 2, AnyKey: f.anyKey,
	}
	if f.throttled {
		o.Throttle = fakeaws.DefaultThrottle()
	}
	fake := fakeaws.New(o)
	return fake, func() {
		fake.AddInstances("us-east-1", f.seed, 1, func(i int) map[string]string {
			return map[string]string{"Name": fmt.Sprintf("web-%d", i+1), "SnapshotDaily": "3"}
		})
	}
}

func fakeAlibaba(f fakeFlags, now func() time.Time) (faked, func()) {
	o := fakealibaba.Options{
		Now: now, Latency: f.latency, SnapshotTime: f.making, ImageTime: f.making, DiskTime: f.making / 2, InstanceTime: f.making / 2, AnyKey: f.anyKey,
	}
	if f.throttled {
		o.Throttle = fakealibaba.DefaultThrottle()
	}
	fake := fakealibaba.New(o)
	return fake, func() {
		fake.AddInstances("cn-hangzhou", f.seed, 1, func(i int) fakealibaba.NewInstance {
			return fakealibaba.NewInstance{Name: fmt.Sprintf("web-%d", i+1), Tags: map[string]string{"SnapshotDaily": "3"}}
		})
	}
}

func fakeTencent(f fakeFlags, now func() time.Time) (faked, func()) {
	o := faketencent.Options{
		Now: now, Latency: f.latency, SnapshotTime: f.making, ImageTime: f.making, DiskTime: f.making / 2, InstanceTime: f.making / 2, AnyKey: f.anyKey,
	}
	if f.throttled {
		o.Throttle = faketencent.DefaultThrottle()
	}
	fake := faketencent.New(o)
	return fake, func() {
		for i := range f.seed {
			fake.AddInstance("ap-guangzhou", faketencent.NewInstance{Name: fmt.Sprintf("web-%d", i+1), Tags: map[string]string{"SnapshotDaily": "3"}})
		}
	}
}

// fake serves one account until ctx ends.
func (s *shell) fake(ctx context.Context, c fakeCloud, f fakeFlags) error {
	var past time.Duration // what is seeded has been there for a while, so that every slot covers it
	account, seed := c.make(f, func() time.Time { return time.Now().Add(-past) })
	fresh := true
	if f.state != "" {
		switch err := account.LoadFile(f.state); {
		case err == nil:
			fresh = false
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("the state in %s: %w", f.state, err)
		}
	}
	if fresh && f.seed > 0 {
		past = seedAge
		seed()
		past = 0 // nobody calls yet
	}
	url, stop, err := account.Listen(f.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s is answered at %s (access key %s, secret key %s) until stopped.\n", c.label, url, c.key, c.secret)
	err = saveWhile(ctx, account, f.state)
	stop()
	if f.state != "" {
		err = errors.Join(err, account.SaveFile(f.state))
	}
	return err
}

// saveWhile saves the state whenever it has changed, until ctx ends.
func saveWhile(ctx context.Context, fake faked, path string) error {
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
