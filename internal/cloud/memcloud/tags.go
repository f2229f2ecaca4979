package memcloud

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stint-cloud/stint/internal/cloud"
)

// tagger changes tags later.
type tagger struct{ c *Cloud }

// SetTags adds or overwrites.
func (g tagger) SetTags(ctx context.Context, ref cloud.Ref, tags cloud.Tags) error {
	return g.retag(ctx, "tag.set", ref, func(old cloud.Tags) (cloud.Tags, error) {
		merged := old.Merge(tags)
		return merged, g.c.checkTags(merged)
	})
}

// RemoveTags takes keys off.
func (g tagger) RemoveTags(ctx context.Context, ref cloud.Ref, keys []string) error {
	return g.retag(ctx, "tag.remove", ref, func(old cloud.Tags) (cloud.Tags, error) { return old.Without(keys...), nil })
}

func (g tagger) retag(ctx context.Context, op string, ref cloud.Ref, change func(cloud.Tags) (cloud.Tags, error)) error {
	_, err := call(ctx, g.c, op, ref, func(now time.Time) (struct{}, error) {
		r, err := g.c.place(ref, cloud.Kinds()...)
		if err != nil {
			return struct{}{}, err
		}
		tags, l, ok := r.lookup(ref, now)
		if !ok {
			return struct{}{}, notFound(ref.Kind, ref.ID)
		}
		changed, err := change(*tags)
		if err == nil {
			l.before, l.retagged = *tags, now
			*tags = changed
		}
		return struct{}{}, err
	})
	return err
}

// lookup finds the tags and the life of anything.
func (r *region) lookup(ref cloud.Ref, now time.Time) (*cloud.Tags, *life, bool) {
	switch ref.Kind {
	case cloud.KindInstance:
		if t, ok := r.instances.find(ref.ID, now); ok {
			return &t.val.Tags, &t.life, true
		}
	case cloud.KindDisk:
		if t, ok := r.disks.find(ref.ID, now); ok {
			return &t.val.Tags, &t.life, true
		}
	case cloud.KindSnapshot:
		if t, ok := r.snapshots.find(ref.ID, now); ok {
			return &t.val.Tags, &t.life, true
		}
	case cloud.KindImage:
		if t, ok := r.images.find(ref.ID, now); ok {
			return &t.val.Tags, &t.life, true
		}
	}
	return nil, nil, false
}

// checkTags refuses what the traits say the cloud does not take.
func (c *Cloud) checkTags(tags cloud.Tags) error {
	if len(tags) > c.traits.MaxTags {
		return refuse(cloud.ErrQuota, "TagLimitExceeded", "%d tags, %d at most", len(tags), c.traits.MaxTags)
	}
	for _, tag := range tags {
		if n := utf8.RuneCountInString(tag.Key); n == 0 || n > c.traits.MaxTagKey {
			return refuse(nil, "InvalidTagKey", "a tag's key of %d characters, %d at most", n, c.traits.MaxTagKey)
		}
		if n := utf8.RuneCountInString(tag.Value); n > c.traits.MaxTagValue {
			return refuse(nil, "InvalidTagValue", "the value of tag %q has %d characters, %d at most", tag.Key, n, c.traits.MaxTagValue)
		}
		for _, reserved := range c.traits.ReservedTags {
			word, whole := strings.CutSuffix(reserved, "=")
			if whole && tag.Key == word || !whole && strings.HasPrefix(tag.Key, reserved) {
				return refuse(nil, "InvalidTagKey.Reserved", "the tag %q is reserved", tag.Key)
			}
		}
	}
	return nil
}
