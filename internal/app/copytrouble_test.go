package app_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/memcloud"
	"github.com/stint-cloud/stint/internal/inventory"
)

// TestCopiesUnderTrouble is a fortnight in which calls fail before and after they took effect, what is made fails,
// processes and whole databases are lost and people delete things, and then calm days. At no time is anything of a
// backup copied twice to one place, and in the end every place has what its rule keeps.
func TestCopiesUnderTrouble(t *testing.T) {
	for seed := range uint64(6) {
		name := []string{"aws", "tencent", "memory"}[seed%3]
		method := []string{"image", "snapshots"}[seed/3]
		t.Run(fmt.Sprint(name, "/", method), func(t *testing.T) {
			luck := rand.New(rand.NewPCG(seed, 7))
			p := newPair(t, copying, name, method, func(o *memcloud.Options) { o.Lag = 30 * time.Second })
			p.machines(2)
			at := epoch
			for at.Before(epoch.AddDate(0, 0, 14)) {
				at = at.Add(time.Duration(10+luck.IntN(300)) * time.Minute)
				p.until(at)
				p.lawful()
				p.trouble(luck)
			}
			at = at.Truncate(24 * time.Hour)
			for day := 1; day <= 5; day++ {
				p.until(at.AddDate(0, 0, day).Add(20 * time.Hour))
				p.lawful()
			}
			for region, want := range map[string]int{"home": 4, "away": 6} {
				got, other := p.backups(region)
				other = slices.DeleteFunc(other, func(b *inventory.Backup) bool { return b.Standing == inventory.Leftover }) // people removed their images
				if len(got) != want || len(other) != 0 {
					t.Errorf("%s: got %d complete backups and %d others, want %d and none: %s", region, len(got), len(other), want, standings(append(got, other...)))
				}
			}
		})
	}
}

// trouble makes one thing go wrong.
func (p *pair) trouble(luck *rand.Rand) {
	ops := []string{"image.copy", "snapshot.copy", "image.create", "snapshotset.create", "snapshot.create", "snapshot.delete", "image.delete", "tags.set", "snapshot.list", "image.list"}
	classes := []error{cloud.ErrTransient, cloud.ErrTransient, cloud.ErrThrottled, cloud.ErrDenied, cloud.ErrInUse, cloud.ErrQuota}
	switch truth := p.cloud.Truth(); luck.IntN(10) {
	case 0, 1, 2, 3:
		for range 1 + luck.IntN(3) {
			class := classes[luck.IntN(len(classes))]
			p.cloud.Provoke(ops[luck.IntN(len(ops))], class, class == cloud.ErrTransient && luck.IntN(2) == 0)
		}
	case 4, 5:
		p.cloud.NextFate("", memcloud.FateFail)
	case 6:
		p.start()
	case 7:
		if luck.IntN(3) == 0 {
			p.remember()
		}
		p.start()
	case 8:
		if n := len(truth.Images); n > 0 {
			p.cloud.Remove(truth.Images[luck.IntN(n)].Ref)
		}
	case 9:
		if n := len(truth.Snapshots); n > 0 {
			p.cloud.Remove(truth.Snapshots[luck.IntN(n)].Ref)
		}
	}
}

// lawful looks into the cloud's own books.
func (p *pair) lawful() {
	p.t.Helper()
	truth := p.cloud.Truth()
	seen := map[string]cloud.Ref{}
	once := func(key string, ref cloud.Ref) {
		if first, twice := seen[key]; twice {
			p.t.Errorf("%s: %s and %s are the same: %s", p.engine.Now().Format(time.RFC3339), first, ref, key)
		}
		seen[key] = ref
	}
	for _, img := range truth.Images {
		id := img.Tags.Value(cloud.TagBackup)
		if img.Ref.Region == "away" && img.State != cloud.StateFailed && id != "" {
			once("image "+id, img.Ref)
		}
	}
	for _, s := range truth.Snapshots {
		id := s.Tags.Value(cloud.TagBackup)
		if s.Ref.Region == "away" && s.State != cloud.StateFailed && s.Tags.Has(cloud.TagParts) {
			once("snapshot "+id+" "+inventory.DiskOf(&s), s.Ref)
		}
	}
}
