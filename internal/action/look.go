package action

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/plan"
	"github.com/stint-cloud/stint/internal/store"
)

// freshFor is how old a look may be that a deletion relies on. One look serves all deletions of a run that are due, so
// that checking costs one call for a hundred things and not one for each.
const freshFor = 30 * time.Second

// sight is a thing as it was freshly seen; absent when it was not there.
type sight struct {
	at     time.Time
	there  bool
	tags   cloud.Tags
	state  cloud.State
	locked bool
	uses   []string // of an image: the snapshots that it stands on
}

type looks struct {
	mu     sync.Mutex
	sights map[cloud.Ref]sight
	used   map[cloud.Place]usage
	gates  map[cloud.Place]gate // one looker at a time in each place

	listing gate                 // one reader at a time of planned
	planned map[string]deletions // by run
}

// deletions are those of a run that were planned a while ago, by place. They say only what else is worth a look, so they
// may be old; reading a run of ten thousand for each place again and again would take longer than the deletions do.
type deletions struct {
	at   time.Time
	here map[cloud.Place][]plan.Action
}

type usage struct {
	at   time.Time
	snap map[string]string // snapshot id → id of an image that stands on it
}

func newLooks() *looks {
	return &looks{sights: map[cloud.Ref]sight{}, used: map[cloud.Place]usage{}, gates: map[cloud.Place]gate{}, listing: make(gate, 1), planned: map[string]deletions{}}
}

// gate lets one through at a time. It is no mutex, since a look is a call to a cloud, and who waits for it must be able
// to give up.
type gate chan struct{}

// enter waits for its turn, or ends with the context's error.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }

func (l *looks) gate(p cloud.Place) gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, ok := l.gates[p]
	if !ok {
		g = make(gate, 1)
		l.gates[p] = g
	}
	return g
}

func (l *looks) get(ref cloud.Ref, now time.Time) (sight, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.sights[ref]
	return s, ok && fresh(s.at, now)
}

// fresh says whether a look at that time is fresh for a job that began now. Another job that began a little later may
// have looked: a look is as good from the one side as from the other.
func fresh(at, now time.Time) bool { return now.Sub(at).Abs() < freshFor }

func (l *looks) put(ref cloud.Ref, s sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sights[ref] = s
}

func (l *looks) forget(ref cloud.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sights, ref)
}

// drop forgets what is no longer fresh, so that the memory does not grow with history.
func (l *looks) drop(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, s := range l.sights {
		if !fresh(s.at, now) {
			delete(l.sights, ref)
		}
	}
}

// guard checks the action's guard against a fresh look, and says why it does not hold.
func (e *Executor) guard(ctx context.Context, now time.Time, client *cloud.Client, row store.ActionRow) (bool, string, error) {
	g := row.Guard
	if !row.Verb.Deletes() {
		return true, "", nil // a create's source is checked by the call itself; tags are set on what is there
	}
	if err := e.refresh(ctx, now, client, row); err != nil {
		return false, "", err
	}
	target, ok := e.looks.get(row.Target, now)
	if !ok {
		return false, "", &cloud.Error{Op: row.Verb.String(), Ref: row.Target, Class: cloud.ErrTransient, Err: fmt.Errorf("the fresh look has aged")}
	}
	if !target.there {
		return true, "", nil // gone already: the delete says so
	}
	if why := held(g, target); why != "" {
		return false, why, nil
	}
	for _, ref := range g.Parts {
		part, ok := e.looks.get(ref, now)
		if !ok {
			return false, "", &cloud.Error{Op: row.Verb.String(), Ref: ref, Class: cloud.ErrTransient, Err: fmt.Errorf("the fresh look has aged")}
		}
		if !part.there {
			continue // gone before
		}
		want := g
		switch {
		case !part.tags.Has(cloud.TagBackup): // never tagged by the cloud: only a hold or a lock counts
			want.Tags = nil
		case g.Tags.Has(cloud.TagCopy): // which names the disk, and each part is of another
			want.Tags = g.Tags.Without(cloud.TagCopy)
		}
		if why := held(want, part); why != "" {
			return false, "another part of the backup, " + ref.ID + ": " + why, nil
		}
	}
	for _, ref := range g.Keepers {
		k, ok := e.looks.get(ref, now)
		if !ok || !k.there || k.state != cloud.StateReady {
			return false, fmt.Sprintf("the newer backup that lets it go is not complete any more: %s", ref), nil
		}
		if policy, has := g.Tags.Find(cloud.TagPolicy); has && k.tags.Value(cloud.TagPolicy) != policy {
			return false, fmt.Sprintf("the newer backup that lets it go does not count any more: somebody took its tag %s off or changed it: %s", cloud.TagPolicy, ref), nil
		}
	}
	if g.Unused && !client.Traits().RefusesInUse {
		img, err := e.user(ctx, now, client, row)
		if err != nil {
			return false, "", err
		}
		if img != "" {
			return false, "the image " + img + " stands on it", nil
		}
	}
	return true, "", nil
}

// held says why a part of a backup may not be deleted: it is not as the guard wants it, or somebody holds it.
func held(g plan.Guard, part sight) string {
	for _, want := range g.Tags {
		if got, ok := part.tags.Find(want.Key); !ok {
			return fmt.Sprintf("a person's hold: its tag %s was taken off", want.Key)
		} else if got != want.Value {
			return fmt.Sprintf("a person's hold: its tag %s was changed from %q to %q", want.Key, want.Value, got)
		}
	}
	for _, key := range g.Lacks {
		if v, has := part.tags.Find(key); has {
			return fmt.Sprintf("it is held: %s=%s", key, v)
		}
	}
	if part.locked {
		return "the cloud locks it: take the lock off first"
	}
	return ""
}

// refresh makes sure that the target, the other parts of its backup and its keepers were seen freshly. It looks at those
// of the run's other deletions in the same place at the same time.
func (e *Executor) refresh(ctx context.Context, now time.Time, client *cloud.Client, row store.ActionRow) error {
	gate := e.looks.gate(row.Place)
	if err := gate.enter(ctx); err != nil {
		return err
	}
	defer gate.leave()
	stale := func(a plan.Action) []cloud.Ref {
		var out []cloud.Ref
		for _, ref := range slices.Concat([]cloud.Ref{a.Target}, a.Guard.Parts, a.Guard.Keepers) {
			if _, ok := e.looks.get(ref, now); !ok {
				out = append(out, ref)
			}
		}
		return out
	}
	need := stale(row.Action)
	if len(need) == 0 {
		return nil
	}
	e.looks.drop(now)
	others, err := e.others(ctx, now, row)
	if err != nil {
		return err
	}
	seen := map[cloud.Ref]bool{}
	byKind := map[cloud.Kind][]string{}
	add := func(refs []cloud.Ref) bool {
		for _, ref := range refs {
			if !seen[ref] {
				seen[ref] = true
				byKind[ref.Kind] = append(byKind[ref.Kind], ref.ID)
			}
		}
		return len(seen) < cloud.MaxIDs
	}
	add(need)
	for _, o := range others {
		if !add(stale(o)) {
			break
		}
	}
	for _, kind := range cloud.Kinds() {
		for part := range slices.Chunk(byKind[kind], cloud.MaxIDs) {
			if err := e.see(ctx, now, client, row.Place, kind, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// others lists the deletions of the row's run in its place that were planned a while ago.
func (e *Executor) others(ctx context.Context, now time.Time, row store.ActionRow) ([]plan.Action, error) {
	l := e.looks
	if err := l.listing.enter(ctx); err != nil {
		return nil, err
	}
	defer l.listing.leave()
	if d, ok := l.planned[row.Run]; ok && fresh(d.at, now) {
		return d.here[row.Place], nil
	}
	rows, err := e.actions.Actions(ctx, store.ActionFilter{Run: row.Run, States: []store.ActionState{store.ActionPlanned}})
	if err != nil {
		return nil, err
	}
	for run, d := range l.planned {
		if !fresh(d.at, now) {
			delete(l.planned, run)
		}
	}
	d := deletions{at: now, here: map[cloud.Place][]plan.Action{}}
	for _, o := range rows {
		if o.Verb.Deletes() {
			d.here[o.Place] = append(d.here[o.Place], o.Action)
		}
	}
	l.planned[row.Run] = d
	return d.here[row.Place], nil
}

// see looks at things of one kind by id, and notes also those that are not there.
func (e *Executor) see(ctx context.Context, now time.Time, client *cloud.Client, place cloud.Place, kind cloud.Kind, ids []string) error {
	q := cloud.Query{Region: place.Region, IDs: ids}
	found := map[cloud.Ref]sight{}
	switch kind {
	case cloud.KindSnapshot:
		for s, err := range client.Snapshots(ctx, q) {
			if err != nil {
				return err
			}
			found[s.Ref] = sight{at: now, there: true, tags: s.Tags, state: s.State, locked: s.Locked || s.Managed != ""}
		}
	case cloud.KindImage:
		for i, err := range client.Images(ctx, q) {
			if err != nil {
				return err
			}
			found[i.Ref] = sight{at: now, there: true, tags: i.Tags, state: i.State, locked: i.Locked || i.Managed != "", uses: i.Snapshots}
		}
	default:
		return fmt.Errorf("a %s cannot be looked at before a deletion", kind)
	}
	for _, id := range ids {
		ref := cloud.Ref{Account: place.Account, Region: place.Region, Kind: kind, ID: id}
		s, ok := found[ref]
		if !ok {
			s = sight{at: now}
		}
		e.looks.put(ref, s)
	}
	return nil
}

// user gives an image that stands on the target snapshot, other than one that the same run has deleted.
func (e *Executor) user(ctx context.Context, now time.Time, client *cloud.Client, row store.ActionRow) (string, error) {
	gate := e.looks.gate(row.Place)
	if err := gate.enter(ctx); err != nil {
		return "", err
	}
	defer gate.leave()
	e.looks.mu.Lock()
	u, ok := e.looks.used[row.Place]
	e.looks.mu.Unlock()
	if !ok || !fresh(u.at, now) || len(row.After) > 0 && u.snap[row.Target.ID] != "" {
		u = usage{at: now, snap: map[string]string{}}
		for img, err := range client.Images(ctx, cloud.Query{Region: row.Place.Region}) {
			if err != nil {
				return "", err
			}
			for _, id := range img.Snapshots {
				u.snap[id] = img.Ref.ID
			}
		}
		e.looks.mu.Lock()
		e.looks.used[row.Place] = u
		e.looks.mu.Unlock()
	}
	return u.snap[row.Target.ID], nil
}

// find looks for what an earlier call of the action may have made, by the tag that it put there.
func (e *Executor) find(ctx context.Context, client *cloud.Client, row store.ActionRow) ([]item, error) {
	q := cloud.Query{Region: row.Place.Region, Tags: cloud.Tags{{Key: cloud.TagAction, Value: row.ID}}}
	switch row.Verb {
	case plan.TakeSnapshot, plan.TakeSnapshotSet:
		return collect(client.Snapshots(ctx, q), func(s cloud.Snapshot) (cloud.Ref, bool) { return s.Ref, true })
	case plan.TakeImage:
		return collect(client.Images(ctx, q), func(i cloud.Image) (cloud.Ref, bool) { return i.Ref, true })
	case plan.RunInstance:
		return collect(client.Instances(ctx, q), func(i cloud.Instance) (cloud.Ref, bool) { return i.Ref, i.Power != cloud.PowerGone })
	case plan.MakeDisk:
		return collect(client.Disks(ctx, q), func(d cloud.Disk) (cloud.Ref, bool) { return d.Ref, true })
	case plan.CopyImage, plan.CopySnapshot:
		return findCopy(ctx, client, row, q)
	}
	return nil, nil
}

func collect[T any](seq iter.Seq2[T, error], ref func(T) (cloud.Ref, bool)) ([]item, error) {
	var out []item
	for x, err := range seq {
		if err != nil {
			return nil, err
		}
		if r, ok := ref(x); ok {
			out = append(out, item{r, x})
		}
	}
	return out, nil
}
