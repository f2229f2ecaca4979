package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// many is the load that is measured: what a large company has, at the pace that EC2 allows and 50 to 100 ms away.
func many() load {
	return load{
		accounts: 20, regions: 5, instances: 100, least: 50 * time.Millisecond, most: 100 * time.Millisecond,
		making: 3 * time.Second, refuse: 0.02, throttle: true, seed: 1,
	}
}

// load measures two slots of 10,000 instances in 20 accounts with 5 regions each: the first is served to the end, and of
// the second the expiry of the first is part.
func (b *bench) load() (err error) {
	w := many()
	f, err := b.loadFake(w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	db := filepath.Join(b.dir, "load.db")
	at := time.Now().UTC().Truncate(time.Minute)
	for n, slot := range []time.Time{at.Add(-time.Hour), at} {
		rules := filepath.Join(b.dir, "load.yaml")
		if err := os.WriteFile(rules, w.rules(f.url, fmt.Sprintf("%d %d * * *", slot.Minute(), slot.Hour()), ""), 0o600); err != nil {
			return err
		}
		u, _, err := spend(b.dir, w.env(), nil, b.stint, "apply", "--yes", "-q", "--allow-deletes", "100000", "-f", rules, "--database", db)
		if err != nil {
			return err
		}
		s, err := f.loadSeen()
		if err != nil {
			return err
		}
		b.loaded(w, n, u, s)
	}
	return nil
}

// loaded judges one slot.
func (b *bench) loaded(w load, n int, u used, s loadSeen) {
	memory := 300.0
	what := "load: 10,000 instances with 15,000 disks in 20 accounts × 5 regions, 2 % refused: "
	fewest := w.all() + 4*w.places()
	of := fmt.Sprintf("one run; the least is %d CreateSnapshots, in each region 3 listings and one more when all is complete", w.all())
	if n == 1 {
		what = "load, the next slot, and the first one's snapshots go: "
		fewest += w.disks() + 2*w.places()
		memory = 450 // 25,000 decisions more are remembered
		of = fmt.Sprintf("one run; the least is that of the first slot, %d deletes, and in each region a fresh look at what goes and one at what lets it go", w.disks())
	}
	fewest += s.Refused
	b.atMost(what+"API calls", float64(s.total()), 1.05*float64(fewest), "calls",
		fmt.Sprintf("%s, and once more what was refused: %d at random, %d by the accounts' limits", of, s.Random, s.Refused-s.Random), "")
	b.tell("the same: wall, until all is complete", u.wall, "s",
		fmt.Sprintf("one run; the pace lets each region begin with 100 calls at once, and the calls alone, 32 at a time, take %s s; the fake shares the machine",
			number(float64(s.total())*(w.least+w.most).Seconds()/2/32)), "")
	b.atMost("the same: CPU of the client for each call", 1000*u.cpu/float64(s.total()), 5, "ms", fmt.Sprintf("one run, %s s in all", number(u.cpu)), "")
	b.atMost("the same: peak memory, the database included", u.rss, memory, "MB", "one run", "")
	wrong := s.Doubled + s.Strange
	for _, covered := range s.Slots {
		wrong += max(w.disks()-covered, 0)
	}
	if len(s.Slots) != 1 {
		wrong += w.disks()
	}
	b.atMost("the same: snapshots lost, doubled or left over", float64(wrong), 0, "", "one run", "")
	codes, which := 0, "one run"
	for code, calls := range s.Other {
		codes, which = codes+calls, which+"; "+code
	}
	b.atMost("the same: calls refused for anything else", float64(codes), 0, "", which, "")
}

// rules is the policy file of the load.
func (w load) rules(url, cron, pace string) []byte {
	var out strings.Builder
	out.WriteString("accounts:\n")
	var regions, accounts []string
	for i := range w.regions {
		regions = append(regions, regionName(i))
	}
	for i := range w.accounts {
		accounts = append(accounts, accountName(i))
		fmt.Fprintf(&out, "  %s: { cloud: aws, regions: [%s], endpoint: %q, credentials: { access-key: \"env:LOAD_ACCESS_%d\", secret-key: \"env:LOAD_SECRET_%d\" }%s }\n",
			accountName(i), strings.Join(regions, ", "), url, i, i, pace)
	}
	fmt.Fprintf(&out, `policies:
  %s:
    backup:
      select:   { accounts: [%s], tags: { SnapshotDaily: "*" } }
      schedule: { cron: %q, catch-up: 24h }
      method:   snapshots
      keep:     { last: { from-tag: SnapshotDaily } }
`, policy, strings.Join(accounts, ", "), cron)
	return []byte(out.String())
}

// env holds the accounts' keys.
func (w load) env() []string {
	env := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
	for i := range w.accounts {
		env = append(env, fmt.Sprintf("LOAD_ACCESS_%d=%s", i, accessKey(i)), fmt.Sprintf("LOAD_SECRET_%d=%s", i, secretKey(i)))
	}
	return env
}

// loadSeen asks the fake of many accounts what it saw since it was asked last.
func (f *fakeCloud) loadSeen() (s loadSeen, err error) {
	resp, err := http.Get(f.ask)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
