package cloudtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/cloudtest"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
)

// bugVar names the bug that TestBuggy's provider has; it is set by TestExamFindsBugs, which runs this very program.
const bugVar = "CLOUDTEST_BUG"

// bugs are what providers get wrong, with the case that must find each.
func bugs() map[string]string {
	return map[string]string{
		"none":                  "",
		"claims-too-much":       "Abilities",
		"page-offset":           "PagesShiftedByDelete",
		"page-item-twice":       "PagesAreWhole",
		"first-page-only":       "PagesAreWhole",
		"ignores-tags":          "ListingByTags",
		"missing-id-fails":      "ListingByIDs",
		"failed-listing-empty":  "ErrorsOfListingsKeepTheirClass",
		"ready-at-once":         "SnapshotBecomesReady",
		"tags-later":            "SnapshotKeepsEveryTag",
		"tag-values-cut":        "SnapshotKeepsEveryTag",
		"delete-missing-is-ok":  "SnapshotDeletedTwice",
		"delete-forces":         "ImageHoldsItsSnapshots",
		"image-takes-snapshots": "ImageDeletedThenSnapshots",
		"image-reboots":         "ImageLeavesInstanceRunning",
		"set-forgets-disk":      "SetCoversAllDisks",
		"token-ignored":         "SnapshotTokenThrice",
		"create-repeated":       "ErrorsAfterTakingEffect",
		"class-lost":            "ErrorsKeepTheirClass",
		"code-lost":             "ErrorsKeepTheirClass",
		"ref-lost":              "ErrorsKeepTheirClass",
		"raw-error":             "ErrorsKeepTheirClass",
		"ignores-context":       "ErrorsUnderCancelledContext",
		"set-tags-replaces":     "TagsOnInstance",
		"leaks-goroutine":       "PagesBrokenOff",
		"request-id-lost":       "RequestIDsOfSnapshots",
		"request-id-stays":      "RequestIDsOfSnapshots",
		"copy-ready-at-once":    "CopyArrives/image",
		"copy-without-tags":     "CopyArrives/snapshot",
		"copy-with-all-tags":    "CopyArrives/image",
		"copy-names-a-disk":     "CopyArrives/snapshot",
		"copy-shares-snapshots": "ImageCopyStandsAlone",
		"copy-of-anything":      "CopyOfUnfinished/snapshot",
		"copy-ignores-token":    "CopyTokenThrice/image",
		"copy-repeated":         "CopyWhoseAnswerIsLost/image",
		"copy-ignores-key":      "CopyWithKey/snapshot",
		"copy-busy-is-quota":    "CopiesAtOnce/image",
		"share-does-nothing":    "SharedIsCopied/image",
		"share-is-kept":         "SharedTwice/snapshot",
		"share-with-nobody":     "SharedWithNobody",
		"identity-of-other":     "Identity",
		"stop-twice-fails":      "StoppedAndStartedTwice",
		"stop-does-nothing":     "StoppedAndStartedTwice",
		"start-forgets-disks":   "StoppedAndStartedTwice",
		"start-at-any-time":     "StartedWhileStopping",
		"delete-missing-works":  "InstanceDeletedTwice",
		"delete-leaves-root":    "InstanceDeletedTwice",
		"throwaway-ignored":     "ThrowawayLeavesNothing",
		"uses-lose-templates":   "UsesByTemplate",
		"uses-never-block":      "UsesByTemplate",
		"uses-of-the-first":     "UsesByTemplate",
		"uses-lose-instances":   "UsesByInstance",
		"uses-outlive-instance": "UsesByInstance",
		"uses-lose-images":      "UsesByImage",
		"uses-lose-disks":       "UsesByDisk",
		"uses-lose-accounts":    "UsesByAccount/image",
		"uses-unpromised":       "UsesByAccount/snapshot",
		"uses-of-missing-fail":  "UsesOfNothing",
		"uses-failed-are-none":  "UsesFail",
	}
}

// TestExamFindsBugs: a provider with a bug fails the case that is meant to find it, and one without passes.
func TestExamFindsBugs(t *testing.T) {
	if os.Getenv(bugVar) != "" {
		t.Skip("this is the inner run")
	}
	for bug, want := range bugs() {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBuggy$", "-test.v")
			cmd.Env = append(os.Environ(), bugVar+"="+bug)
			out, err := cmd.CombinedOutput()
			if want == "" {
				if err != nil {
					t.Errorf("the exam without a bug: got %v, want it passed:\n%s", err, out)
				}
				return
			}
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestBuggy/"+want+" ") {
				t.Errorf("the exam with bug %s: got %v, want %s failed:\n%s", bug, err, want, failures(string(out)))
			}
			if strings.Contains(string(out), "panic:") {
				t.Errorf("the exam with bug %s panicked:\n%s", bug, out)
			}
		})
	}
}

func failures(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "FAIL") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestBuggy sits the exam with the bug that the environment names.
func TestBuggy(t *testing.T) {
	bug := os.Getenv(bugVar)
	if bug == "" {
		t.Skip("this is for TestExamFindsBugs")
	}
	can := []cloud.Capability{
		cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging,
		cloud.ImageCopies, cloud.SnapshotCopies, cloud.Sharing, cloud.Operating, cloud.Identifying, cloud.Referring,
	}
	cloudtest.Run(t, cloudtest.Harness{Can: can, Open: func(t *testing.T) cloudtest.Subject {
		var now atomic.Int64
		now.Store(1_767_323_045)
		m := time.Minute
		o := memcloud.Options{
			Account: "acct", Regions: []string{"r-1", "r-2"}, PageSize: 3, Now: func() time.Time { return time.Unix(now.Load(), 0) },
			Delays: memcloud.Delays{Snapshot: m, Image: m, Disk: m, Instance: m, Reboot: m, Delete: m, Copy: m, Power: m},
			Among:  &memcloud.Among{}, Keys: map[string][]string{"r-2": {"key-2"}}, DisksStay: true,
		}
		if bug == "claims-too-much" {
			o.Lacks = []cloud.Capability{cloud.Tagging}
		}
		if bug == "ready-at-once" {
			o.Delays.Snapshot = 0
		}
		if bug == "copy-ready-at-once" {
			o.Delays.Copy = 0
		}
		c := memcloud.New(o)
		o.Account, o.ID = "other", "444455556666"
		other := memcloud.New(o)
		p := c.Provider()
		if h, ok := p.(hands); ok {
			p = &buggy{hands: h, bug: bug, c: c}
		}
		return cloudtest.Subject{
			Provider: p, Account: "acct", Region: "r-1",
			Launch: func(_ *testing.T, name string, dataDisks int, tags cloud.Tags) cloud.Instance {
				sizes := []int64{memcloud.GiB}
				for range dataDisks {
					sizes = append(sizes, 2*memcloud.GiB)
				}
				return c.AddInstance(memcloud.InstanceSpec{Name: name, DiskSizes: sizes, Tags: tags})
			},
			Settle:  func(*testing.T, cloud.Ref) { now.Add(120) },
			Unknown: func(kind cloud.Kind, n int) string { return fmt.Sprintf("%s-%017x", kind, 1<<40+n) },
			Slow:    true, PageSize: 3, InstanceType: "small", LaunchTokens: true, DiskTokens: true, ImagesStand: true, ImageTagsSnapshots: true, RequestIDs: true,
			Provoke: func(_ *testing.T, op string, class error, after bool) { c.Provoke(op, class, after) },
			Requests: func() (n int) {
				for _, calls := range c.Calls() {
					n += calls
				}
				return n
			},
			Lock: func(_ *testing.T, ref cloud.Ref) { c.Lock(ref) },
			Template: func(_ *testing.T, image cloud.Ref) (string, func()) {
				id := c.AddTemplate(image.Region, image.ID)
				return id, func() { c.RemoveTemplate(image.Region, id) }
			},
			Elsewhere: "r-2", Key: "key-2", WrongKey: "key-1",
			Partner: "444455556666", Other: other.Provider(), OtherAccount: "other", SharesSnapshots: true,
		}
	}})
}

// hands are all abilities.
type hands interface {
	cloud.Provider
	cloud.Snapshotter
	cloud.SetSnapshotter
	cloud.Imager
	cloud.DiskMaker
	cloud.Launcher
	cloud.Tagger
	cloud.ImageCopier
	cloud.SnapshotCopier
	cloud.Sharer
	cloud.Identifier
	cloud.Operator
	cloud.Referrer
	cloud.Limited
}

// buggy is a provider with one bug.
type buggy struct {
	hands
	bug string
	c   *memcloud.Cloud

	remembered []cloud.Use
}

func (b *buggy) Instances(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Instance], error) {
	if b.bug == "ignores-tags" {
		q.Tags = nil
	}
	page, err := b.hands.Instances(ctx, q, cursor)
	if b.bug == "missing-id-fails" && err == nil && len(page.Items) < len(q.IDs) {
		return cloud.Page[cloud.Instance]{}, &cloud.Error{Op: "instance.list", Class: cloud.ErrNotFound, Code: "NotFound"}
	}
	if b.bug == "failed-listing-empty" && cloud.ClassOf(err) == cloud.ErrThrottled {
		return cloud.Page[cloud.Instance]{}, nil
	}
	return page, err
}

func (b *buggy) Snapshots(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	if b.bug == "leaks-goroutine" {
		go func() { select {} }()
	}
	if b.bug == "page-offset" && q.IDs == nil {
		return b.byOffset(ctx, q, cursor)
	}
	page, err := b.hands.Snapshots(ctx, q, cursor)
	switch {
	case b.bug == "page-item-twice" && cursor != "" && len(page.Items) > 0:
		page.Items = append(page.Items, page.Items[0])
	case b.bug == "first-page-only":
		page.Next = ""
	}
	return page, err
}

// byOffset pages as many a driver does: by how many items came before.
func (b *buggy) byOffset(ctx context.Context, q cloud.Query, cursor string) (cloud.Page[cloud.Snapshot], error) {
	if err := ctx.Err(); err != nil {
		return cloud.Page[cloud.Snapshot]{}, err
	}
	var from int
	if cursor != "" {
		if _, err := fmt.Sscan(cursor, &from); err != nil {
			return cloud.Page[cloud.Snapshot]{}, err
		}
	}
	items := b.c.Truth().Snapshots
	to := min(from+3, len(items))
	page := cloud.Page[cloud.Snapshot]{Items: items[min(from, to):to]}
	if to < len(items) {
		page.Next = fmt.Sprint(to)
	}
	return page, nil
}

func (b *buggy) CreateSnapshot(ctx context.Context, req cloud.NewSnapshot) (cloud.Snapshot, error) {
	switch b.bug {
	case "ignores-context":
		ctx = context.WithoutCancel(ctx)
	case "tags-later":
		req.Tags = nil
	case "tag-values-cut":
		var cut cloud.Tags
		for _, tag := range req.Tags {
			cut = append(cut, cloud.Tag{Key: tag.Key, Value: fmt.Sprintf("%.63s", tag.Value)})
		}
		req.Tags = cut
	case "token-ignored":
		req.Token = ""
	case "create-repeated":
		s, err := b.hands.CreateSnapshot(ctx, req)
		if cloud.ClassOf(err) == cloud.ErrTransient {
			req.Token = "another"
			if _, again := b.hands.CreateSnapshot(ctx, req); again != nil {
				return s, again
			}
		}
		return s, err
	}
	return b.hands.CreateSnapshot(ctx, req)
}

func (b *buggy) CreateSnapshotSet(ctx context.Context, req cloud.NewSnapshotSet) ([]cloud.Snapshot, error) {
	out, err := b.hands.CreateSnapshotSet(ctx, req)
	if b.bug == "set-forgets-disk" && len(out) > 1 {
		out = out[:len(out)-1]
	}
	return out, err
}

func (b *buggy) CreateImage(ctx context.Context, req cloud.NewImage) (cloud.Image, error) {
	req.Reboot = b.bug == "image-reboots"
	return b.hands.CreateImage(ctx, req)
}

func (b *buggy) DeleteImage(ctx context.Context, ref cloud.Ref) error {
	var under []string
	for _, img := range b.c.Truth().Images {
		if img.Ref == ref {
			under = img.Snapshots
		}
	}
	err := b.hands.DeleteImage(ctx, ref)
	if b.bug == "image-takes-snapshots" && err == nil {
		for _, id := range under {
			b.c.Remove(cloud.Ref{Account: ref.Account, Region: ref.Region, Kind: cloud.KindSnapshot, ID: id})
		}
	}
	return err
}

func (b *buggy) DeleteSnapshot(ctx context.Context, ref cloud.Ref) error {
	switch b.bug {
	case "request-id-lost":
		defer cloud.NoteRequest(ctx, "")
	case "request-id-stays":
		defer cloud.NoteRequest(ctx, "req-1")
	}
	err := b.hands.DeleteSnapshot(ctx, ref)
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		return err
	}
	switch b.bug {
	case "delete-missing-is-ok":
		if e.Class == cloud.ErrNotFound {
			return nil
		}
	case "delete-forces":
		if e.Class == cloud.ErrInUse {
			b.c.Remove(ref)
			return nil
		}
	case "class-lost":
		e.Class, e.Err = nil, io.EOF
	case "code-lost":
		e.Code = ""
	case "ref-lost":
		e.Ref.ID = ""
	case "raw-error":
		return fmt.Errorf("delete %s: %w", ref, e.Class)
	}
	return e
}

func (b *buggy) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	if b.bug == "set-tags-replaces" {
		b.c.Retag(ref, nil)
	}
	return b.hands.SetTags(ctx, ref, tags)
}
