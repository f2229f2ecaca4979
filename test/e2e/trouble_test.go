package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// wire is a fake whose moods the test rules, with so many instances that are older than every slot.
func wire(t *testing.T, account string, instances int) (*fakeaws.Fake, string) {
	t.Helper()
	var young atomic.Bool
	f := fakeaws.New(fakeaws.Options{
		Account: account, Regions: []string{"us-east-1"},
		Now: func() time.Time {
			if young.Load() {
				return time.Now()
			}
			return longAgo()
		},
		SnapshotTime: 200 * time.Millisecond, ImageTime: 200 * time.Millisecond, VolumeTime: 100 * time.Millisecond, InstanceTime: 100 * time.Millisecond,
	})
	f.AddInstances("us-east-1", instances, 1, func(int) map[string]string { return map[string]string{"backup": "daily"} })
	young.Store(true)
	return f, f.Start(t)
}

// sources counts the snapshots of ours by what they are of.
func sources(f *fakeaws.Fake) map[string]int {
	out := map[string]int{}
	for _, s := range f.Snapshots("us-east-1") {
		if source := s.Tags["stint:source"]; source != "" {
			out[source]++
		}
	}
	return out
}

// mails gives the subjects and bodies of the mails to an address.
func mails(t *testing.T, to string) (subjects, bodies []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(mailDir(), "maildir", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatalf("%s is no mail: %v", name, err)
		}
		if strings.Contains(m.Header.Get("To"), to) {
			subjects, bodies = append(subjects, m.Header.Get("Subject")), append(bodies, string(raw))
		}
	}
	return subjects, bodies
}

// TestPeopleAreTold has one of two accounts deny: the other is served, one mail says what is wrong however often it is
// tried, and one says that it is over.
func TestPeopleAreTold(t *testing.T) {
	demand(t)
	web, webURL := wire(t, "111122223333", 2)
	other, otherURL := wire(t, "444455556666", 1)
	to := "ops-" + unique() + "@example.com"
	server := cmp.Or(os.Getenv("MAIL_HOST"), "127.0.0.1") + ":" + cmp.Or(os.Getenv("MAIL_STARTTLS_PORT"), "2587")
	h := newHome(t, fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q }
  other: { cloud: aws, regions: [us-east-1], endpoint: %q }
policies:
  daily:
    backup:
      select: { tags: { backup: daily } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 3 }
notify:
  operators:
    smtp: { server: %q, user: ann, password: env:MAIL_PASSWORD, from: "Stint <stint@example.com>", to: [%s] }
`, webURL, otherURL, server, to), append(awsKeys(), "MAIL_PASSWORD=mail-server-password", "SSL_CERT_FILE="+filepath.Join(mailDir(), "ca.pem"))...)
	count := func(when string, want int) []string {
		t.Helper()
		subjects, bodies := mails(t, to)
		if len(subjects) != want {
			t.Fatalf("%s: got %d mails %q, want %d", when, len(subjects), subjects, want)
		}
		return bodies
	}

	web.Deny("CreateSnapshots")
	h.run("apply", "--yes").want(3, "1 made", "2 failed")
	for _, body := range count("denied once", 1) {
		if !strings.Contains(body, "denied") || strings.Contains(body, "mail-server-password") {
			t.Errorf("the mail: got\n%s\nwant it to say denied, and no secret", body)
		}
	}
	if n := len(sources(other)); n != 1 {
		t.Errorf("the other account: got backups of %d instances, want its backup made all the same", n)
	}
	if code := h.run("apply", "--yes").code; code == 0 {
		t.Error("apply while it is still denied: got exit code 0, want a failure")
	}
	count("denied twice", 1)
	web.Allow("CreateSnapshots")
	h.run("apply", "--yes").want(0, "2 made")
	h.run("status").want(0, "3 protected", "No incident is open")
	bodies := count("allowed", 2)
	if !strings.Contains(strings.ToLower(strings.Join(bodies, "\n")), "recovered") && !strings.Contains(strings.Join(bodies, "\n"), "works again") {
		t.Errorf("the mails: got\n%s\nwant one to say that it is over", strings.Join(bodies, "\n"))
	}
	h.run("apply", "--yes").want(0, "Nothing to do")
	count("nothing new", 2)
}

// TestDiskIsFull fills the disk under the database: what is said is clear, no call is made that could not be written down
// first, and with room again everything goes on.
func TestDiskIsFull(t *testing.T) {
	demand(t)
	const instances = 30
	f, url := wire(t, "111122223333", instances)
	h := newHome(t, fmt.Sprintf(`
accounts:
  web: { cloud: aws, regions: [us-east-1], endpoint: %q, pace: { reads: 100, writes: 3 } }
policies:
  daily:
    backup:
      select: { tags: { backup: daily } }
      schedule: { cron: "0 0 1 1 *", catch-up: 365d }
      method: snapshots
      keep: { last: 3 }
`, url), awsKeys()...)
	small := t.TempDir()
	// A namespace of our own would hide the mount from the program, so it must be a real one.
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "stint-e2e", small).CombinedOutput(); err != nil {
		t.Fatalf("mount -t tmpfs: %v: this story needs root\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", small).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	h.database = filepath.Join(small, "stint.db")
	filler := filepath.Join(small, "filler")
	// fill takes all the room that there is.
	fill := func() {
		t.Helper()
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, chunk := range []int{64 << 10, 4 << 10} { // pages are what a tmpfs gives out
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, chunk))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
	}
	made := func() int { return f.Count("CreateSnapshots") }

	h.run("plan").want(4, strconv.Itoa(instances)+" to make")
	fill()
	h.run("apply", "--yes").want(1, "full", h.database)
	if n := made(); n != 0 {
		t.Errorf("on a full disk: got %d snapshots, want none that could not be written down", n)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}

	// Full in the middle of the run: it says so, waits for room, and goes on.
	applying := h.start("apply", "apply", "--yes")
	until(t, time.Minute, 5*time.Millisecond, "some backups are made", func() (bool, string) { return made() >= 5, applying.text() })
	fill()
	applying.until(time.Minute, "the disk is full")
	if n := made(); n < 5 || n >= instances {
		t.Errorf("when the disk was full: %d of %d snapshots were made, want it full in the middle of the run", n, instances)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	select {
	case <-applying.done:
	case <-time.After(patience):
		t.Fatal("with room again, apply does not end")
	}
	if code := applying.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("apply, with room again: got exit code %d, want 0", code)
	}
	h.run("plan").want(0, "Nothing to do")
	h.run("status").want(0, strconv.Itoa(instances)+" protected")
	exactlyOnce(t, "of the year", sources(f), instances)
}
