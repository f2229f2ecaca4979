package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/plan"
)

// TestDeletedByHandBeforeItIsTagged: where a cloud does not tag what it makes for an image, a person's deletion takes the
// snapshots along also before a plan has tagged them; and one that must stay carries its tags from then on.
func TestDeletedByHandBeforeItIsTagged(t *testing.T) {
	for _, stays := range []bool{false, true} {
		alone := strings.Replace(copying, "      copies:   [{ to: web/away, keep: { last: 3 } }]\n", "", 1)
		p := newPair(t, alone, "tencent", "image", func(o *memcloud.Options) { o.BareImageSnapshots = true })
		p.machines(1)
		p.until(epoch.Add(time.Hour))
		list, err := p.app.Backups(t.Context())
		if err != nil || len(list) != 1 || len(list[0].Images) != 1 {
			t.Fatalf("Backups: %v, %v, want one image", list, err)
		}
		b := list[0]
		under := b.Under()
		for _, s := range p.cloud.Truth().Snapshots { // as they are before a plan has come by
			p.cloud.Retag(s.Ref, nil)
		}
		b.Backing = nil
		if stays { // something uses one of them
			p.cloud.Provoke("snapshot.delete", cloud.ErrInUse, false)
		}
		acts, err := app.DeleteActions(p.engine.Now(), b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.app.Do(t.Context(), p.engine.Now(), "delete", acts); err != nil {
			t.Fatal(err)
		}
		p.until(p.engine.Now().Add(10 * time.Minute))
		left := p.cloud.Truth().Snapshots
		switch {
		case !stays && len(left) > 0:
			t.Errorf("after the deletion %d snapshots are there, want none: %v", len(left), left)
		case stays && (len(left) != 1 || left[0].Tags.Value(cloud.TagBackup) != b.ID):
			t.Errorf("after the deletion got %v, want the one that is in use, with the backup's tags", left)
		}
		for _, a := range acts {
			if a.Verb == plan.DeleteImage && len(a.Under) != len(under) {
				t.Errorf("%s names %v under it, want %v", a.Verb, a.Under, under)
			}
		}
	}
}
