// Package survey looks at one kind of thing in one region of one account, and writes the differences into the store.
//
// It promises that what a listing did not show to the end is never taken for absent, that things of ours which are not
// settled yet are polled by themselves until they are, and that one scope's failure is written down and touches no
// other. It refuses to wait: each Look is one listing, or one poll.
package survey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/store"
)

// Options are the paces of looking. The zero value has good ones.
type Options struct {
	Every   time.Duration // between whole listings; 10 minutes when zero
	Grace   time.Duration // how long a thing that we made may be missing from listings; 5 minutes when zero
	MinPoll time.Duration // between polls of what is not settled; 1 second when zero
	MaxPoll time.Duration // 1 minute when zero
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Every, 10*time.Minute)
	def(&o.Grace, 5*time.Minute)
	def(&o.MinPoll, time.Second)
	def(&o.MaxPoll, time.Minute)
	return o
}

// Surveyor looks. It is safe for concurrent use.
type Surveyor struct {
	store   store.Surveys
	clients func(account string) (*cloud.Client, error)
	opt     Options

	mu     sync.Mutex
	watch  map[cloud.Scope][]string // hints from this process: made, and not settled yet
	looked map[cloud.Scope]bool     // listed to the end by this process
}

// New makes a Surveyor that reaches accounts through clients.
func New(s store.Surveys, clients func(account string) (*cloud.Client, error), opt Options) *Surveyor {
	return &Surveyor{store: s, clients: clients, opt: opt.withDefaults(), watch: map[cloud.Scope][]string{}, looked: map[cloud.Scope]bool{}}
}

// Watch hints that these things were just made, so that the next Look polls them. The hint may be lost with the
// process: the next whole listing finds them, and the first Look of a process is one.
func (s *Surveyor) Watch(scope cloud.Scope, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch[scope] = append(s.watch[scope], ids...)
}

// follow hints at the snapshots that an image of ours stands on, once it is ready: some clouds make them without our
// tags and after the last listing, and the plan has to see them to tag them.
func (s *Surveyor) follow(scope cloud.Scope, x cloud.Image) {
	if x.State == cloud.StateReady && x.Tags.Has(cloud.TagAction) && len(x.Snapshots) > 0 {
		s.Watch(cloud.Scope{Account: scope.Account, Region: scope.Region, Kind: cloud.KindSnapshot}, x.Snapshots...)
	}
}

// Hinted lists the scopes with hints that no Look of this process has taken up yet: when another process does the
// looking, it does not know of them.
func (s *Surveyor) Hinted() []cloud.Scope {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]cloud.Scope, 0, len(s.watch))
	for scope := range s.watch {
		out = append(out, scope)
	}
	slices.SortFunc(out, cloud.Scope.Compare)
	return out
}

func (s *Surveyor) takeWatch(scope cloud.Scope) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.watch[scope]
	delete(s.watch, scope)
	return ids
}

// known says whether this process has listed the scope to the end. One that has not may have been told of nothing by
// the one before it, which was killed: what that one had just made is found by listing.
func (s *Surveyor) known(scope cloud.Scope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked[scope]
}

func (s *Surveyor) know(scope cloud.Scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked[scope] = true
}

// Outcome is what a Look came to.
type Outcome struct {
	Diff    store.Diff
	Whole   bool
	Settled int   // things that were unsettled before and are settled now
	Pending int   // things of ours that are not settled yet
	Back    bool  // the scope could not be seen before, and now it could
	Err     error // why the scope could not be seen; it is written into the store as well
	Next    time.Time
}

// Changed says whether a plan may come out differently.
func (o Outcome) Changed() bool {
	return o.Diff != store.Diff{} || o.Settled > 0 || o.Back || o.Err != nil
}

// Look lists the scope, or polls what is not settled in it. whole demands a listing to the end. It returns an error only
// when the store fails or ctx ends.
func (s *Surveyor) Look(ctx context.Context, now time.Time, scope cloud.Scope, whole bool) (Outcome, error) {
	for {
		out, err := s.look(ctx, now, scope, whole)
		if !errors.Is(err, store.ErrStale) {
			return out, err
		}
		// Another worker has looked meanwhile. What it saw may be older than the demand: look again.
	}
}

func (s *Surveyor) look(ctx context.Context, now time.Time, scope cloud.Scope, whole bool) (Outcome, error) {
	row, err := s.store.Survey(ctx, scope)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Outcome{}, err
	}
	row.Scope = scope
	hints := s.takeWatch(scope)
	watching := union(row.Watching, hints)
	whole = whole || !s.known(scope) || len(watching) == 0 || len(watching) > 2*cloud.MaxIDs || !row.Look.Whole() || !now.Before(row.SweepAt) || row.SweepAt.Sub(now) > s.opt.Every

	seen, unsettled, oldest, err := s.list(ctx, now, scope, whole, watching)
	row.Look.LookedAt = now
	if err != nil {
		if ctx.Err() != nil {
			s.Watch(scope, hints...)
			return Outcome{}, ctx.Err()
		}
		row.Watching = watching
		row.Look.Problem, row.Look.Class = err.Error(), cloud.ClassName(err)
		row.NextAt = now.Add(min(30*time.Second+now.Sub(row.Look.SeenAt)/4, s.opt.Every))
		if row, _, err2 := s.store.SaveSurvey(ctx, row, nil); err2 != nil {
			return Outcome{}, err2
		} else {
			return Outcome{Err: err, Whole: whole, Next: row.NextAt}, nil
		}
	}
	settled, back := len(watching)-len(unsettled), !row.Look.Whole()
	row.Watching = unsettled
	row.Look.Problem, row.Look.Class = "", ""
	if whole {
		row.Look.SeenAt, row.SweepAt, row.Items = now, now.Add(s.opt.Every), len(seen.Items)
	}
	row.NextAt = row.SweepAt
	if len(unsettled) > 0 {
		row.NextAt = earlier(row.SweepAt, now.Add(s.pause(now.Sub(oldest))))
	}
	row, diff, err := s.store.SaveSurvey(ctx, row, &seen)
	if err != nil {
		s.Watch(scope, hints...)
		return Outcome{}, err
	}
	if whole {
		s.know(scope)
	}
	return Outcome{Diff: diff, Whole: whole, Settled: max(settled, 0), Pending: len(unsettled), Back: back, Next: row.NextAt}, nil
}

// pause is how long to wait before polling again something that has been in the making for this long.
func (s *Surveyor) pause(age time.Duration) time.Duration {
	return min(max(age/4, s.opt.MinPoll), s.opt.MaxPoll)
}

// list makes one listing. unsettled are the ids of ours that are still being made, oldest the time of the oldest.
func (s *Surveyor) list(ctx context.Context, now time.Time, scope cloud.Scope, whole bool, ids []string) (seen store.Seen, unsettled []string, oldest time.Time, err error) {
	client, err := s.clients(scope.Account)
	if err != nil {
		return seen, nil, oldest, err
	}
	seen = store.Seen{Scope: scope, At: now, Whole: whole, Grace: s.opt.Grace}
	oldest = now
	add := func(id string, noun any, working bool, tags cloud.Tags, made time.Time) error {
		body, err := json.Marshal(noun)
		if err != nil {
			return fmt.Errorf("%s %s: %w", scope, id, err)
		}
		seen.Items = append(seen.Items, store.Resource{ID: id, Body: body})
		if working && (tags.Has(cloud.TagAction) || slices.Contains(ids, id)) {
			unsettled = append(unsettled, id)
			if made.Before(oldest) {
				oldest = made
			}
		}
		return nil
	}
	query := func(q cloud.Query) error {
		switch scope.Kind {
		case cloud.KindInstance:
			return each(client.Instances(ctx, q), func(i cloud.Instance) error {
				return add(i.Ref.ID, i, i.Power == cloud.PowerStarting, i.Tags, i.CreatedAt)
			})
		case cloud.KindDisk:
			return each(client.Disks(ctx, q), func(d cloud.Disk) error {
				return add(d.Ref.ID, d, d.State == cloud.StateWorking, d.Tags, d.CreatedAt)
			})
		case cloud.KindSnapshot:
			return each(client.Snapshots(ctx, q), func(x cloud.Snapshot) error {
				x.Progress = 0 // no plan depends on it, and every poll would seem to have changed something
				return add(x.Ref.ID, x, x.State == cloud.StateWorking, x.Tags, x.CreatedAt)
			})
		case cloud.KindImage:
			return each(client.Images(ctx, q), func(x cloud.Image) error {
				if slices.Contains(ids, x.Ref.ID) || now.Sub(x.CreatedAt) < s.opt.Every {
					s.follow(scope, x)
				}
				return add(x.Ref.ID, x, x.State == cloud.StateWorking, x.Tags, x.CreatedAt)
			})
		}
		return fmt.Errorf("no such kind: %s", scope.Kind)
	}
	if whole {
		err = query(cloud.Query{Region: scope.Region})
		return seen, unsettled, oldest, err
	}
	seen.Asked = ids
	for part := range slices.Chunk(ids, cloud.MaxIDs) {
		if err = query(cloud.Query{Region: scope.Region, IDs: part}); err != nil {
			return seen, unsettled, oldest, err
		}
	}
	// What was asked for and is not there may not be visible yet: it stays under watch until the next whole listing.
	found := make(map[string]bool, len(seen.Items))
	for _, item := range seen.Items {
		found[item.ID] = true
	}
	for _, id := range ids {
		if !found[id] {
			unsettled = append(unsettled, id)
		}
	}
	return seen, unsettled, oldest, nil
}

func each[T any](seq iter.Seq2[T, error], f func(T) error) error {
	for item, err := range seq {
		if err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Facts gives what a plan must know of an account.
func Facts(c *cloud.Client) inventory.Account {
	return inventory.Account{Name: c.Account(), Traits: c.Traits(), Capabilities: c.Capabilities()}
}
