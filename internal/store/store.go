// Package store says what Stint remembers, as interfaces without SQL.
//
// It promises that every row that moves carries a version, and that a change made on an older version is refused with
// ErrStale and changes nothing; that what belongs together is committed together; and that the same exam (storetest)
// holds for every implementation. It refuses to be the truth about the clouds: lost, it is filled again by one survey.
// It keeps what a cloud cannot hold: intents, history, incidents, pace.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/plan"
)

// The errors of a store that callers tell apart.
var (
	ErrNotFound = errors.New("no such row")
	ErrStale    = errors.New("the row has changed meanwhile")
)

// Store is what Stint remembers. All times are UTC and are kept to the microsecond. Every method is one transaction
// and is safe for concurrent use, also by several processes where the implementation says so.
type Store interface {
	Surveys
	Policies
	Actions
	Incidents
	Memory
	Pace

	// Due lists rows whose time has come, the most overdue first, at most limit: surveys, policies and actions at their
	// NextAt, actions that are calling at their Deadline. A survey or policy without a NextAt is never due; an action
	// that has not ended and lacks its time is due at once.
	Due(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// Prune forgets ended runs with their actions, closed incidents and audit entries that ended before the time.
	// The record is forgotten from its beginning up to the first entry that is not older, and says so in a new entry.
	// An action is forgotten only with its run, a run only when all its actions have ended, and an incident that people
	// were told of only after they were told of its end.
	Prune(ctx context.Context, before time.Time) (rows int64, err error)
	Close() error
}

// Due is one row whose time has come: what the sweep wakes.
type Due struct {
	Kind string // "survey", "policy", "action"
	Key  string // scope, policy name or action id
	At   time.Time
}

// Survey is the state of one scope's survey.
type Survey struct {
	Scope    cloud.Scope
	Version  int64 // 0: not yet stored
	NextAt   time.Time
	Watching []string  // ids that are not settled yet: the next look asks for these alone
	SweepAt  time.Time // when the next whole listing is due
	Look     inventory.Look
	Items    int // how many things are known; the store counts them when it is given a look
}

// Resource is one thing as it was seen: its id and the JSON of its cloud noun.
type Resource struct {
	ID   string
	Body []byte
}

// Seen is the result of one look at a scope.
type Seen struct {
	Scope  cloud.Scope
	At     time.Time // when the look began: what was expected after that is neither changed nor taken out by it
	Whole  bool      // the scope was listed to the end: what is not in Items is gone
	Asked  []string  // when not whole: the ids asked for; those not in Items are gone
	Items  []Resource
	Grace  time.Duration // a thing that we made less than this long ago is not taken for gone when it is not listed
	Forget []string      // ids to take out whatever was seen
}

// Diff counts what a look changed.
type Diff struct {
	Added, Changed, Removed int
}

// Surveys keep what was seen.
type Surveys interface {
	// Surveys lists the state of every scope, in order.
	Surveys(ctx context.Context) ([]Survey, error)
	// Survey gives one, or ErrNotFound.
	Survey(ctx context.Context, scope cloud.Scope) (Survey, error)
	// SaveSurvey inserts (Version 0) or updates the row by compare-and-swap, and in the same transaction writes the
	// differences that seen holds, when it is not nil. It returns the row with its new version.
	SaveSurvey(ctx context.Context, row Survey, seen *Seen) (Survey, Diff, error)
	// Expect writes things that a create has just answered, before any listing shows them.
	Expect(ctx context.Context, scope cloud.Scope, at time.Time, items []Resource) error
	// Forget takes out things that a delete has just removed.
	Forget(ctx context.Context, scope cloud.Scope, ids []string) error
	// DropScopes forgets scopes, with their resources, that the policies no longer cover.
	DropScopes(ctx context.Context, scopes []cloud.Scope) error
	// World gives what is known of these scopes, sorted; all scopes when nil.
	World(ctx context.Context, scopes []cloud.Scope) (inventory.World, error)
	// SaveAccount writes what a plan must know of an account.
	SaveAccount(ctx context.Context, account inventory.Account) error
}

// PolicyState is how far a policy has come.
type PolicyState struct {
	Name      string
	Version   int64 // 0: not yet stored
	NextAt    time.Time
	PlannedAt time.Time // when it was last planned
	Hash      string    // of the last plan
	Problem   string    // why the last plan could not be made or is not carried out; empty when all is well
	Findings  []plan.Finding
}

// Policies keep how far each policy has come.
type Policies interface {
	PolicyStates(ctx context.Context) ([]PolicyState, error)
	// PolicyState gives one, or ErrNotFound.
	PolicyState(ctx context.Context, name string) (PolicyState, error)
	// SavePolicyState inserts (Version 0) or updates by compare-and-swap, and returns the row with its new version.
	SavePolicyState(ctx context.Context, row PolicyState) (PolicyState, error)
	// DropPolicyStates forgets policies that are no longer in the files.
	DropPolicyStates(ctx context.Context, names []string) error
}

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunActive    RunState = "active"
	RunDone      RunState = "done"      // every action took effect or was not needed any more
	RunPartly    RunState = "partly"    // some failed
	RunFailed    RunState = "failed"    // all that was tried failed
	RunCancelled RunState = "cancelled" // a person stopped it; what had begun was finished
)

// Run is the carrying out of one plan.
type Run struct {
	ID        string // time-ordered
	Version   int64
	Policy    string // empty for what a person asked for on the command line
	Trigger   string // "slot 2026-11-21T02:00:00Z", "apply", "restore", "hold" …
	By        string // who: a user name, or "schedule"
	PlanHash  string
	State     RunState
	Cancel    bool // a person asked it to stop
	StartedAt time.Time
	EndedAt   time.Time           // zero while active
	Counts    map[ActionState]int // of its actions; filled on reading
}

// ActionState is where an action stands.
type ActionState string

// The states of an action.
const (
	ActionPlanned   ActionState = "planned" // to be done at NextAt
	ActionCalling   ActionState = "calling" // the intent is written, the call may be under way until Deadline
	ActionUnclear   ActionState = "unclear" // the call may have taken effect: look before trying again
	ActionDone      ActionState = "done"
	ActionFailed    ActionState = "failed"
	ActionSkipped   ActionState = "skipped" // its guard failed: no longer wanted or no longer safe
	ActionCancelled ActionState = "cancelled"
)

// Ended says whether the state is final.
func (s ActionState) Ended() bool {
	switch s {
	case ActionDone, ActionFailed, ActionSkipped, ActionCancelled:
		return true
	}
	return false
}

// ClassOutdated is the class of an action that was skipped before it began, since its policy had changed or its plan was
// old: it is decided anew.
const ClassOutdated = "outdated"

// ActionRow is one action with its state: the intent log.
type ActionRow struct {
	plan.Action
	Run       string
	Version   int64
	State     ActionState
	Attempts  int
	Armed     int       // how often it was planned anew after it had failed
	NextAt    time.Time // when the next step is due; zero when ended
	Deadline  time.Time // while calling: until when its worker may still call
	Class     string    // of the last error, as cloud.ClassName gives it
	Code      string    // the cloud's word for it
	Problem   string    // the last error or why it was skipped, for people
	Made      []cloud.Ref
	CreatedAt time.Time
	StartedAt time.Time // of the first call; zero before
	EndedAt   time.Time
}

// ActionFilter narrows a list of actions; what is empty does not narrow.
type ActionFilter struct {
	Run      string
	Policies []string
	States   []ActionState
	IDs      []string
	Backups  []string
	Since    time.Time // created at or after, or not ended
	Limit    int
}

// Actions keep runs and the intents of their actions.
type Actions interface {
	// StartRun commits a run and its actions together. An action whose id is known is left as it is when it is done or
	// at work, and is armed anew, under this run, when it had failed, was skipped or cancelled. It returns the ids that
	// are now this run's. When none is, the run is not stored, and the list is empty. Of the entries those are appended
	// to the record whose Action is among these ids, or that have none.
	StartRun(ctx context.Context, run Run, actions []plan.Action, now time.Time, entries ...AuditEntry) ([]string, error)
	// Run gives one, with its counts, or ErrNotFound.
	Run(ctx context.Context, id string) (Run, error)
	// Working gives a run without its counts, and whether one of its actions has not ended; or ErrNotFound. It costs the
	// same however many actions there are, so it may be asked at each of them.
	Working(ctx context.Context, id string) (run Run, open bool, err error)
	// Runs lists the newest first, at most limit; policy narrows when not empty.
	Runs(ctx context.Context, policy string, limit int) ([]Run, error)
	// ActiveRuns lists the runs that have not ended.
	ActiveRuns(ctx context.Context) ([]Run, error)
	// SaveRun updates a run by compare-and-swap, and appends the entries to the record.
	SaveRun(ctx context.Context, run Run, entries ...AuditEntry) (Run, error)
	// Action gives one, or ErrNotFound.
	Action(ctx context.Context, id string) (ActionRow, error)
	// Actions lists those that the filter asks for, by creation, then id.
	Actions(ctx context.Context, f ActionFilter) ([]ActionRow, error)
	// SaveAction updates one by compare-and-swap, appends the entries to the record, and returns the row with its new
	// version.
	SaveAction(ctx context.Context, row ActionRow, entries ...AuditEntry) (ActionRow, error)
}

// Incident is something that is wrong until it is right again: what people are told about.
type Incident struct {
	Key      string // what is wrong, stable while it lasts: "action/web/us-east-1/snapshot.create/denied"
	Version  int64
	Policy   string
	Account  string
	Title    string // one line
	Detail   string
	OpenedAt time.Time
	LastAt   time.Time // when it was last seen to be wrong
	ClosedAt time.Time // zero while open
	Count    int       // how often it was seen
	ToldAt   time.Time // when people were last told that it is open; zero: not yet
	Told     int       // how often
	ToldEnd  bool      // people were told that it is over
}

// Incidents keep what is wrong.
type Incidents interface {
	// OpenIncident opens one, or counts it again when it is open. A closed one of the same key is opened anew; what
	// people were told of it is kept while they were not told of its end, so that no telling is left without one. The
	// entries are appended to the record when it is opened, and not when it is counted again.
	OpenIncident(ctx context.Context, in Incident, now time.Time, entries ...AuditEntry) error
	// CloseIncidents closes those open ones whose keys are given.
	CloseIncidents(ctx context.Context, keys []string, now time.Time) error
	// Incidents lists: all that are open, and with ended true also those that are closed; newest first, at most limit.
	Incidents(ctx context.Context, ended bool, limit int) ([]Incident, error)
	// UntoldIncidents lists those that are open, and those that are closed of whose end nobody was told yet although
	// somebody was told that they were open.
	UntoldIncidents(ctx context.Context) ([]Incident, error)
	// SaveIncident updates one by compare-and-swap.
	SaveIncident(ctx context.Context, in Incident) (Incident, error)
}

// Memory keeps the record and small facts.
type Memory interface {
	// Append adds entries to the record, in the order given, linked to those before. However many workers append at the
	// same time, their entries make one chain without a gap. Other methods that are given entries append them in the
	// same transaction, so that what is decided and the line about it stand together or not at all.
	Append(ctx context.Context, entries ...AuditEntry) error
	// Audit lists the entries that the filter asks for, the newest first.
	Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, error)
	// AuditHead gives both ends of the chain.
	AuditHead(ctx context.Context) (anchor, head Head, err error)
	// WalkAudit gives both ends of the chain to begin, and then every entry to each, the oldest first, all as they stood
	// at one moment and without holding them all. An error of either ends the walk and is given back. Neither may ask
	// the store for anything.
	WalkAudit(ctx context.Context, begin func(anchor, head Head) error, each func(AuditEntry) error) error
	// Fact gives a small text that was kept under the key, empty when there is none.
	Fact(ctx context.Context, key string) (string, error)
	// SetFact keeps one.
	SetFact(ctx context.Context, key, value string) error
}

// Pace shares one rate among all workers: a generic cell rate algorithm on one row per key.
type Pace interface {
	// TakePace takes one call out of the key's pace of rate calls a second with the burst given, and says how long to
	// wait before making it; when that would be longer than most it takes nothing and ok is false.
	TakePace(ctx context.Context, key string, now time.Time, rate float64, burst int, most time.Duration) (wait time.Duration, ok bool, err error)
	// PushPace makes everybody stay away from the key until at least the time.
	PushPace(ctx context.Context, key string, until time.Time) error
}
