// Package cloudtest is the exam that every provider sits: memcloud directly, the others through their real SDK against
// a fake of their cloud's wire API, and by hand against a real account.
//
// It promises that a provider which passes keeps the contracts written on the interfaces of package cloud: whole
// listings while things come and go, tags from the creating call on, errors with the right class, no call for an ability
// that is missing, nothing left running behind a cancelled call. It refuses to know any cloud: whatever a case needs
// besides the provider comes through a hook of Subject, and a case whose hook is nil says so and is skipped.
package cloudtest

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Harness says how to sit the exam.
type Harness struct {
	// Open gives a provider over an account in which nothing disturbs the case, with the hands to prepare it. It is
	// called once for each case and cleans up by t.Cleanup. Against a fake the account is fresh and empty; against a
	// real one it may hold other things, which the exam leaves alone.
	Open func(t *testing.T) Subject

	// Can is what the provider is claimed to be able to do, in order. The exam fails when its interfaces say otherwise,
	// so that a typo in a signature fails a test and does not lose a feature.
	Can []cloud.Capability
}

// Subject is one account that sits a case. Provider, Account, Region, Launch, Settle and Unknown are always needed.
type Subject struct {
	Provider cloud.Provider
	Account  string // as in the refs that the provider gives
	Region   string
	Zone     string // of what the exam creates, where the cloud needs one

	// Launch makes an instance by whatever way the cloud has (not through the provider), running, with a root disk,
	// some data disks and the tags, and gives it as the provider lists it. It cleans up after itself by t.Cleanup.
	Launch func(t *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance

	// Settle lets pending work on the thing end: a fake moves its time on, a real cloud is polled. It returns when the
	// thing is ready, failed, running or gone. It must bear a thing that is gone already.
	Settle func(t *testing.T, ref cloud.Ref)

	// Unknown is the n-th of many ids that look right for the kind and name nothing.
	Unknown func(kind cloud.Kind, n int) string

	// Slow says that what is created is StateWorking until Settle; a real cloud may be quicker than the exam.
	Slow bool

	// PageSize is how many things one page holds at most: the exam makes a few more than twice as many. Best 2 or 3,
	// or the smallest that the cloud allows. 0 skips the cases about several pages.
	PageSize int

	// Provoke makes the next request that carries out op end in the class, with a code of the cloud's own; with after
	// the request takes effect and its answer is lost. Nil against a real cloud.
	Provoke func(t *testing.T, op string, class error, after bool)

	// Unprovokable are the classes that no code of this cloud ever means, such as ErrUnsupported.
	Unprovokable []error

	// RequestIDs says that the cloud numbers its requests and that the provider notes the numbers.
	RequestIDs bool

	// Requests is how many requests the account has answered so far, to prove that none was made. Nil when unknown.
	Requests func() int

	// Lock makes the cloud itself refuse to delete the thing, and gives it free again at the end by t.Cleanup. Nil where
	// the cloud has no locks for the kind, or the exam should not touch them.
	Lock func(t *testing.T, ref cloud.Ref)

	// Dispose removes a disk or an instance that the exam had the provider make. Nil when there is nothing to remove.
	Dispose func(t *testing.T, ref cloud.Ref)

	// InstanceType and Network are given to RunInstance.
	InstanceType, Network string

	// LaunchTokens and DiskTokens say that RunInstance and CreateDisk with the same token give the same thing.
	LaunchTokens, DiskTokens bool

	// ImagesStand says that an image of what Launch made stands on snapshots which are listed as such, and
	// ImageTagsSnapshots that they carry the image's tags.
	ImagesStand, ImageTagsSnapshots bool

	// Elsewhere is another region of the account, into which the exam copies. Empty skips the cases about copies.
	Elsewhere string

	// Key is the cloud's id of a key in Elsewhere that copies may be encrypted with, and WrongKey one that cannot be used
	// there. Empty skips the case about keys.
	Key, WrongKey string

	// Partner is the cloud id of another account of the same cloud, to share with; empty skips the cases about sharing.
	// Other, where it is not nil, is that account's provider, and OtherAccount its name in refs. Settle bears its refs.
	Partner      string
	Other        cloud.Provider
	OtherAccount string

	// SharesSnapshots says that snapshots are shared, and not images alone.
	SharesSnapshots bool

	// EncryptedDisk makes a disk that the cloud's default key encrypts, from which a snapshot can be taken, and gives its
	// id. Nil where there is none.
	EncryptedDisk func(t *testing.T) string

	// Template makes a launch template that names the image, in a version that is not its newest where templates have
	// versions, and gives its id and how to delete it. Nil where there are none, or nobody to make them.
	Template func(t *testing.T, image cloud.Ref) (id string, remove func())

	// ImageHoldsDisks says that an image of what Launch made holds its data disks, though Traits.ImageHasDisks cannot
	// promise it of every instance.
	ImageHoldsDisks bool
}

// testCase is one question of the exam. Needs lists the abilities without which it is skipped.
type testCase struct {
	name  string
	needs []cloud.Capability
	run   func(t *testing.T, e *exam)
}

// Run holds the whole exam; each case is a subtest over an account of its own.
func Run(t *testing.T, h Harness) {
	t.Helper()
	t.Run("Abilities", func(t *testing.T) { abilities(t, h) })
	for _, list := range [][]testCase{listingCases(), pagingCases(), snapshotCases(), setCases(), imageCases(), makingCases(), taggingCases(), copyCases(), sharingCases(), operatingCases(), usesCases(), errorCases(), requestCases()} {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				for _, need := range c.needs {
					if !slices.Contains(h.Can, need) {
						t.Skipf("the provider does not claim %s", need)
					}
				}
				c.run(t, open(t, h))
			})
		}
	}
}

// abilities checks that the provider has exactly those that are claimed.
func abilities(t *testing.T, h Harness) {
	e := open(t, h)
	if got := e.c.Capabilities(); !slices.Equal(got, h.Can) {
		t.Errorf("Capabilities() = %v, want %v as claimed", got, h.Can)
	}
	tr := e.c.Traits()
	if tr.Cloud == "" || tr.MaxTags <= 0 || tr.MaxTagKey < 60 || tr.MaxTagValue < 120 {
		t.Errorf("Traits() = %+v, want a cloud, a number of tags, keys of 60 and values of 120 characters at least", tr)
	}
}

// exam is one case's view of its subject.
type exam struct {
	Subject
	c     *cloud.Client
	nonce string // of this case in this run, since a real account remembers the tokens and names of earlier ones
}

func open(t *testing.T, h Harness) *exam {
	t.Helper()
	s := h.Open(t)
	if s.Provider == nil || s.Launch == nil || s.Settle == nil || s.Unknown == nil || s.Account == "" || s.Region == "" {
		t.Fatalf("Harness.Open: Provider, Account, Region, Launch, Settle and Unknown are needed: got %+v", s)
	}
	return &exam{Subject: s, c: cloud.NewClient(s.Account, s.Provider), nonce: strings.ToLower(rand.Text()[:12])}
}

func (e *exam) ref(kind cloud.Kind, id string) cloud.Ref {
	return cloud.Ref{Account: e.Account, Region: e.Region, Kind: kind, ID: id}
}

func (e *exam) unknown(kind cloud.Kind) cloud.Ref { return e.ref(kind, e.Unknown(kind, 0)) }

func (e *exam) query(ids ...string) cloud.Query { return cloud.Query{Region: e.Region, IDs: ids} }

// stint is what every create of ours carries, told apart by the action's id.
func (e *exam) stint(action string) cloud.Tags {
	return cloud.TagsOf(map[string]string{
		cloud.TagPolicy: "exam", cloud.TagSource: "exam/region-1/i-1", cloud.TagSlot: "2026-01-02T03:04:05Z",
		cloud.TagBy: "backup=nightly", cloud.TagBackup: "backup-" + action + e.nonce, cloud.TagAction: action + e.nonce,
	})
}

// name makes one that every cloud takes: it begins with a letter, is short, and no other run of the exam uses it.
func (e *exam) name(suffix string) string { return "exam-" + suffix + "-" + e.nonce }

// token is a create's: no other run of the exam uses it.
func (e *exam) token(action string) string { return action + "-" + e.nonce }

func all[T any](t *testing.T, what string, seq func(func(T, error) bool)) []T {
	t.Helper()
	var out []T
	for item, err := range seq {
		if err != nil {
			t.Fatalf("%s: got %v after %d items, want no error", what, err, len(out))
		}
		out = append(out, item)
	}
	return out
}

// snapshot finds one by id.
func (e *exam) snapshot(t *testing.T, id string) (cloud.Snapshot, bool) {
	t.Helper()
	return only(t, "snapshot "+id, all(t, "listing snapshot "+id, e.c.Snapshots(t.Context(), e.query(id))))
}

func (e *exam) image(t *testing.T, id string) (cloud.Image, bool) {
	t.Helper()
	return only(t, "image "+id, all(t, "listing image "+id, e.c.Images(t.Context(), e.query(id))))
}

func (e *exam) disk(t *testing.T, id string) (cloud.Disk, bool) {
	t.Helper()
	return only(t, "disk "+id, all(t, "listing disk "+id, e.c.Disks(t.Context(), e.query(id))))
}

func (e *exam) instance(t *testing.T, id string) (cloud.Instance, bool) {
	t.Helper()
	return only(t, "instance "+id, all(t, "listing instance "+id, e.c.Instances(t.Context(), e.query(id))))
}

func only[T any](t *testing.T, what string, items []T) (T, bool) {
	t.Helper()
	switch len(items) {
	case 0:
		var zero T
		return zero, false
	case 1:
		return items[0], true
	}
	t.Fatalf("listing %s by id: got %d items, want one at most", what, len(items))
	panic("unreachable")
}

// makeSnapshot takes one of the disk and has it deleted at the end.
func (e *exam) makeSnapshot(t *testing.T, disk, action string) cloud.Snapshot {
	t.Helper()
	req := cloud.NewSnapshot{
		Region: e.Region, Disk: disk, Name: e.name(action), Description: "made by the exam", Tags: e.stint(action), Token: e.token(action),
	}
	got, err := e.c.CreateSnapshot(t.Context(), req)
	if err != nil {
		t.Fatalf("CreateSnapshot(%s): got %v, want no error", disk, err)
	}
	e.cleanSnapshot(t, got.Ref)
	return got
}

func (e *exam) cleanSnapshot(t *testing.T, ref cloud.Ref) {
	t.Cleanup(func() {
		e.Settle(t, ref)
		if err := e.c.DeleteSnapshot(context.Background(), ref); err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
			t.Logf("cleaning up: %v", err)
		}
	})
}

// makeImage takes one of the instance, settles it, and has it and its snapshots deleted at the end.
func (e *exam) makeImage(t *testing.T, instance, action string) cloud.Image {
	t.Helper()
	req := cloud.NewImage{
		Region: e.Region, Instance: instance, Name: e.name(action), Description: "made by the exam", Tags: e.stint(action), Token: e.token(action),
	}
	got, err := e.c.CreateImage(t.Context(), req)
	if err != nil {
		t.Fatalf("CreateImage(%s): got %v, want no error", instance, err)
	}
	e.cleanImage(t, got.Ref)
	return got
}

// ready settles the image and gives it as it is listed then.
func (e *exam) ready(t *testing.T, img cloud.Image) cloud.Image {
	t.Helper()
	e.Settle(t, img.Ref)
	got, ok := e.image(t, img.Ref.ID)
	if !ok || got.State != cloud.StateReady {
		t.Fatalf("%s after Settle: got %v (found %v), want ready", img.Ref, got.State, ok)
	}
	return got
}

func (e *exam) cleanImage(t *testing.T, ref cloud.Ref) {
	t.Cleanup(func() {
		e.Settle(t, ref)
		ctx := context.Background()
		var under []string
		for img, err := range e.c.Images(ctx, e.query(ref.ID)) {
			if err == nil {
				under = img.Snapshots
			}
		}
		if err := e.c.DeleteImage(ctx, ref); err != nil && cloud.ClassOf(err) != cloud.ErrNotFound {
			t.Logf("cleaning up: %v", err)
		}
		for _, id := range under {
			if err := e.c.DeleteSnapshot(ctx, e.ref(cloud.KindSnapshot, id)); err != nil && cloud.ClassOf(err) != cloud.ErrNotFound && cloud.ClassOf(err) != cloud.ErrUnsupported {
				t.Logf("cleaning up: %v", err)
			}
		}
	})
}

// dispose has a disk or an instance removed at the end.
func (e *exam) dispose(t *testing.T, ref cloud.Ref) {
	if e.Dispose != nil {
		t.Cleanup(func() { e.Dispose(t, ref) })
	}
}
