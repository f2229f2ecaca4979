package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const far = 100 * time.Millisecond

// peer is another program that does the same work.
type peer struct {
	name string
	run  func(f *fakeCloud) (used, error)
}

// peers are those that are installed here.
func (b *bench) peers() []peer {
	var out []peer
	if aws, err := exec.LookPath("aws"); err == nil {
		out = append(out, peer{name: "an awscli loop, 8 at a time", run: func(f *fakeCloud) (used, error) { return b.awscli(aws, f) }})
	}
	if custodian, err := exec.LookPath("custodian"); err == nil {
		out = append(out, peer{name: "Cloud Custodian (ec2, snapshot)", run: func(f *fakeCloud) (used, error) { return b.custodian(custodian, f) }})
	}
	return out
}

// awscli is what a script does: list by tag, then one call for each instance.
func (b *bench) awscli(aws string, f *fakeCloud) (used, error) {
	script := fmt.Sprintf(`set -euo pipefail
%[1]s --endpoint-url %[2]s ec2 describe-instances --filters Name=tag-key,Values=SnapshotDaily \
	--query 'Reservations[].Instances[].InstanceId' --output text | tr '\t' '\n' |
xargs -P 8 -I {} %[1]s --endpoint-url %[2]s ec2 create-snapshots --instance-specification InstanceId={} \
	--tag-specifications 'ResourceType=snapshot,Tags=[{Key=stint:policy,Value=daily}]' --output text`, aws, f.url)
	u, _, err := spend(b.dir, keys(), nil, "bash", "-c", script)
	return u, err
}

// custodian is its policy for the same work.
func (b *bench) custodian(program string, f *fakeCloud) (used, error) {
	path := filepath.Join(b.dir, "custodian.yaml")
	err := os.WriteFile(path, []byte(`policies:
  - name: daily
    resource: aws.ec2
    filters: [ { "tag:SnapshotDaily": present } ]
    actions: [ { type: snapshot, tags: { "stint:policy": daily } } ]
`), 0o600)
	if err != nil {
		return used{}, err
	}
	out := filepath.Join(b.dir, "custodian")
	env := append(keys(), "AWS_ENDPOINT_URL="+f.url)
	u, _, err := spend(b.dir, env, nil, program, "run", "--region", region, "-s", out, "--cache-period", "0", path)
	return u, errors.Join(err, os.RemoveAll(out))
}

// protect measures snapshots of 100 instances with 200 disks, 100 ms away, in turns with what else is installed.
func (b *bench) protect() error {
	w := world{instances: 100, disks: 2, latency: far}
	peers := b.peers()
	var ours []used
	theirs := make([][]used, len(peers))
	for range b.runs {
		u, _, err := b.client(w, 200, "apply", "--yes")
		if err != nil {
			return err
		}
		ours = append(ours, u)
		for i, p := range peers {
			f, err := b.fake(w)
			if err != nil {
				return err
			}
			u, err := p.run(f)
			s, err2 := f.seen()
			if err := errors.Join(err, err2, f.stop()); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			u.calls, u.lost, u.twice = s.total(), s.Lost, s.Doubled
			theirs[i] = append(theirs[i], u)
		}
	}
	against := func(of func(used) float64) string {
		var out []string
		for i, p := range peers {
			if mine := median(pick(ours, of)); mine > 0 {
				out = append(out, fmt.Sprintf("%s needed %s × as much", p.name, number(median(pick(theirs[i], of))/mine)))
			}
		}
		for _, name := range []string{"aws", "custodian"} {
			if _, err := exec.LookPath(name); err != nil {
				out = append(out, name+" is not installed")
			}
		}
		return strings.Join(out, ", ")
	}
	of := fmt.Sprintf("median of %d runs in turns, new database each", b.runs)
	b.atMost("apply, far, 100 instances with 200 disks: wall", median(pick(ours, used.Wall)), 2.5, "s", of+"; the fake's snapshots are complete at once", against(used.Wall))
	b.atMost("the same: CPU of the client", median(pick(ours, used.CPU)), 0.35, "s", of, against(used.CPU))
	b.atMost("the same: peak memory, the database included", median(pick(ours, used.RSS)), 60, "MB", of, against(used.RSS))
	b.tell("the same: API calls", median(pick(ours, used.Calls)), "calls", of, against2(peers, theirs))
	return b.whole("the same", ours)
}

func against2(peers []peer, theirs [][]used) string {
	var out []string
	for i, p := range peers {
		out = append(out, fmt.Sprintf("%s made %s", p.name, number(median(pick(theirs[i], used.Calls)))))
	}
	return strings.Join(out, ", ")
}

// whole says how many snapshots were lost or made twice in all runs.
func (b *bench) whole(what string, all []used) error {
	lost, twice := 0, 0
	for _, u := range all {
		lost, twice = lost+u.lost, twice+u.twice
	}
	b.atMost(what+": snapshots lost or doubled", float64(lost+twice), 0, "", fmt.Sprintf("sum of %d runs", len(all)), "")
	return nil
}

// calls measures how many calls the snapshots of 1,000 instances with 2,000 disks take.
func (b *bench) calls() error {
	w := world{instances: 1000, disks: 2}
	u, s, err := b.client(w, 1000, "apply", "--yes", "--no-wait", "-q")
	if err != nil {
		return err
	}
	fewest := w.fewest()
	b.atMost("apply, 1,000 instances with 2,000 disks: API calls", float64(s.total()), 1.05*fewest, "calls",
		fmt.Sprintf("one run with --no-wait; the least possible is %s", number(fewest)), "")
	b.tell("the same: wall, nothing added to the calls", u.wall, "s", "one run; the fake shares the machine", "")
	b.tell("the same: CPU of the client", u.cpu, "s", "one run", "")
	b.tell("the same: peak memory", u.rss, "MB", "one run", "")
	if err := b.whole("the same", []used{u}); err != nil {
		return err
	}
	w.making = 2 * time.Second
	u, s, err = b.client(w, 1000, "apply", "--yes", "-q")
	if err != nil {
		return err
	}
	b.tell("the same, waiting until all is complete (2 s each): API calls", float64(s.total()), "calls", "one run", "")
	return b.whole("the same", []used{u})
}

// fewest is the least possible number of calls: one CreateSnapshots for each instance, and the pages that list
// instances, snapshots and images once.
func (w world) fewest() float64 {
	page := func(n int) int { return max(1, (n+999)/1000) }
	return float64(w.instances + page(w.instances) + page(w.instances*w.disks*w.old) + 1)
}

// throttled measures the same against a cloud that takes 20 mutating calls a second while the client believes in 40.
func (b *bench) throttled() error {
	w := world{instances: 1000, disks: 2, refill: 20}
	for _, pace := range []float64{20, 40} {
		u, s, err := b.client(w, pace, "apply", "--yes", "--no-wait", "-q")
		if err != nil {
			return err
		}
		what := fmt.Sprintf("the cloud takes 20 calls/s, the pace is set to %v: ", pace)
		b.atMost(what+"API calls", float64(s.total()), 1.05*w.fewest(), "calls",
			fmt.Sprintf("one run, 1,000 instances; the least possible is %s; %d were refused", number(w.fewest()), s.Refused["RequestLimitExceeded"]), "")
		b.tell(what+"wall", u.wall, "s", "one run; the cloud itself allows 49 s", "")
		if err := b.whole(what[:len(what)-2], []used{u}); err != nil {
			return err
		}
	}
	return nil
}

// pace measures how much of a configured pace is used, after the burst with which it begins.
func (b *bench) pace() error {
	const rate = 50
	_, s, err := b.client(world{instances: 600, disks: 1, latency: 20 * time.Millisecond}, rate, "apply", "--yes", "--no-wait", "-q")
	if err != nil {
		return err
	}
	at := s.Creates
	if len(at) != 600 {
		return fmt.Errorf("%d of 600 calls came", len(at))
	}
	burst := 2*rate + rate // two seconds' worth at once, and what comes meanwhile
	n := len(at) - 1 - burst
	got := float64(n) / (float64(at[len(at)-1]-at[burst]) / 1e6)
	b.atLeast("use of a configured pace of 50 calls/s", 100*got/rate, 95, "%", fmt.Sprintf("one run, %d calls after the burst", n))
	b.atMost("the same: never above it", 100*got/rate, 102, "%", "one run", "")
	return nil
}

// expire measures how 200 old snapshots go, 100 ms away.
func (b *bench) expire() error {
	w := world{instances: 100, disks: 2, old: 1, latency: far}
	var all []used
	for range b.runs {
		u, s, err := b.client(w, 200, "apply", "--yes", "--allow-deletes", "100", "-q")
		if err != nil {
			return err
		}
		if s.Snapshots != 200 || s.Calls["DeleteSnapshot"] < 200 {
			return fmt.Errorf("%d snapshots are left and %d deletes were made, want 200 and 200", s.Snapshots, s.Calls["DeleteSnapshot"])
		}
		all = append(all, u)
	}
	of := fmt.Sprintf("median of %d runs", b.runs)
	b.tell("apply, far, 200 old snapshots go: wall", median(pick(all, used.Wall)), "s", of, "")
	b.tell("the same: CPU of the client", median(pick(all, used.CPU)), "s", of, "")
	b.atMost("the same: API calls, a fresh look before each included", median(pick(all, used.Calls)), 1.05*207, "calls", of+"; the least is 200 deletes, 3 listings, and 4 looks at what goes and at what lets it go", "")
	return b.whole("the same, of those that stay", all)
}
