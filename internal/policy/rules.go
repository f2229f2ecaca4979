package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/retain"
	"github.com/stint-cloud/stint/internal/schedule"
)

// Rules are everything that the policy files say, with defaults applied. Lists are sorted by name.
type Rules struct {
	Accounts []Account `json:"accounts"`
	Policies []Policy  `json:"policies"`
	Notify   []Channel `json:"notify,omitempty"`
}

// FindAccount gives the account of that name.
func (r Rules) FindAccount(name string) (Account, bool) {
	for _, a := range r.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

// FindPolicy gives the policy of that name.
func (r Rules) FindPolicy(name string) (Policy, bool) {
	for _, p := range r.Policies {
		if p.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}

// Position is where in the policy files something was said; lines and columns count from one.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// Account is one login at one cloud.
type Account struct {
	Name        string      `json:"name"`
	Cloud       string      `json:"cloud"`             // alibaba, aws, openstack, tencent
	Regions     []string    `json:"regions,omitempty"` // empty: all that the account may use
	Endpoint    string      `json:"endpoint,omitempty"`
	Credentials Credentials `json:"credentials"`
	Pace        Pace        `json:"pace"`
	Pos         Position    `json:"-"`
}

// Credentials say where an account's credentials come from. All empty means the cloud's own chain.
type Credentials struct {
	Profile    string    `json:"profile,omitempty"`     // of the cloud's shared configuration
	AssumeRole string    `json:"assume-role,omitempty"` // ARN
	ExternalID string    `json:"external-id,omitempty"`
	CloudsYAML string    `json:"clouds-yaml,omitempty"` // the cloud's name in clouds.yaml
	AccessKey  SecretRef `json:"access-key,omitempty"`
	SecretKey  SecretRef `json:"secret-key,omitempty"`
	Token      SecretRef `json:"token,omitempty"`
}

// SecretRef is env:NAME or file:PATH, never a value.
type SecretRef string

// Pace is how many calls per second an account may make in one region; zero means the default of the cloud.
type Pace struct {
	Reads  float64 `json:"reads,omitempty"`
	Writes float64 `json:"writes,omitempty"`
}

// Policy is one rule. Exactly one of its deeds is set.
type Policy struct {
	Name     string   `json:"name"`
	Disabled bool     `json:"disabled,omitempty"` // neither creates nor deletes, and says so
	Backup   *Backup  `json:"backup,omitempty"`
	Pos      Position `json:"-"`
}

// Digest names the policy with all that it says: it changes when anything of it does. 16 hexadecimal characters.
func (p Policy) Digest() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("a policy cannot be written as JSON: " + err.Error()) // it holds nothing that could not be
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Backup protects instances: which, when, how, and how long the backups stay.
type Backup struct {
	Select     Select            `json:"select"`
	Where      *Condition        `json:"where,omitempty"`
	When       schedule.Schedule `json:"-"`
	WhenText   string            `json:"schedule"` // the schedule's canonical text
	CatchUp    time.Duration     `json:"catch-up"` // a missed slot is made up within this time, the newest only
	WhenPos    Position          `json:"-"`
	Zone       *time.Location    `json:"-"` // of the schedule, and of the calendar that keep counts by
	Method     Method            `json:"method"`
	Reboot     bool              `json:"reboot,omitempty"` // method image: may reboot the instance for a clean file system
	Keep       Keep              `json:"keep"`
	Orphans    Orphans           `json:"orphans"`
	Limits     Limits            `json:"limits"`
	StuckAfter time.Duration     `json:"stuck-after"`      // a backup that is still being made after this long is a finding
	Copies     []Copy            `json:"copies,omitempty"` // sorted by place, each once
}

// Copy is one more place in which each backup is kept, by a rule of its own.
type Copy struct {
	To   cloud.Place `json:"to"`
	Keep Keep        `json:"keep"`
	Key  string      `json:"key,omitempty"` // the cloud's id of a key there; empty: as the cloud encrypts by itself
	Pos  Position    `json:"-"`
}

// Method is how a backup is made. The zero Method is none.
type Method int

// The methods.
const (
	MethodSnapshots Method = iota + 1 // snapshots of all disks of the instance
	MethodImage                       // one image of the instance
)

// String is the method's word in policies.
func (m Method) String() string {
	switch m {
	case MethodSnapshots:
		return "snapshots"
	case MethodImage:
		return "image"
	}
	return "none"
}

// MarshalText writes the method's word.
func (m Method) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Select says which instances a policy covers: those that satisfy every part that is set. A selector with no part set
// selects nothing.
type Select struct {
	Accounts []string   `json:"accounts,omitempty"`
	Regions  []string   `json:"regions,omitempty"`
	Tags     []TagMatch `json:"tags,omitempty"` // sorted by key; all must match
	IDs      []string   `json:"ids,omitempty"`
	Except   Except     `json:"except"`
}

// Except takes instances out again, whatever else is said.
type Except struct {
	Tags []TagMatch `json:"tags,omitempty"` // any one that matches takes the instance out
	IDs  []string   `json:"ids,omitempty"`
}

// TagMatch is one tag that a selector asks for.
type TagMatch struct {
	Key    string   `json:"key"`
	Values []string `json:"values,omitempty"` // any of these; empty means that the key's presence is enough ("*")
}

// Keep says how many backups stay, per source and place. A backup stays if any rule keeps it.
type Keep struct {
	Last    Count         `json:"last"`
	Hourly  Count         `json:"hourly"`
	Daily   Count         `json:"daily"`
	Weekly  Count         `json:"weekly"`
	Monthly Count         `json:"monthly"`
	Yearly  Count         `json:"yearly"`
	Within  time.Duration `json:"within,omitempty"`
}

// Count is a number, or the name of the tag on the instance whose value is the number.
type Count struct {
	N       int    `json:"n"`                  // the number; with FromTag the default for a value that is no number
	FromTag string `json:"from-tag,omitempty"` // tag key
}

// Orphans says what becomes of backups whose source is gone: kept for ever when Within is zero.
type Orphans struct {
	Within time.Duration `json:"within,omitempty"`
}

// Limits are the breaker, and how much is done at once. Zero AtOnce means no limit of the policy's own.
type Limits struct {
	AtOnce            int     `json:"at-once,omitempty"`             // creates of this policy that run at the same time
	StopAfterFailures int     `json:"stop-after-failures,omitempty"` // in one run
	Deletes           int     `json:"deletes,omitempty"`             // most backups that one plan may delete; zero: no fixed number
	DeleteShare       float64 `json:"delete-share"`                  // largest share (0–1) of the policy's backups that one plan may delete
}

// Defaults that Parse applies; the reference documents them.
const (
	DefaultCatchUp     = time.Hour
	DefaultStuckAfter  = 24 * time.Hour
	DefaultCount       = 7 // of a from-tag without a default of its own
	DefaultDeleteShare = 0.5
	MaxCount           = 10_000 // of one rule of keep
	AlwaysDeletes      = 3      // a plan that deletes no more than this never trips the share
)

// Channel is one way to tell people; exactly one of the ways is set.
type Channel struct {
	Name    string   `json:"name"`
	SMTP    *SMTP    `json:"smtp,omitempty"`
	Webhook *Webhook `json:"webhook,omitempty"`
	SNS     *SNS     `json:"sns,omitempty"`
	Pos     Position `json:"-"`
}

// SMTP is mail by a server.
type SMTP struct {
	Server   string    `json:"server"`   // host:port
	Security string    `json:"security"` // starttls (default), tls, none
	User     string    `json:"user,omitempty"`
	Password SecretRef `json:"password,omitempty"`
	From     string    `json:"from"`
	To       []string  `json:"to"`
}

// Webhook is a POST of JSON, signed with HMAC-SHA256 when there is a secret.
type Webhook struct {
	URL    string    `json:"url"`
	Secret SecretRef `json:"secret,omitempty"`
}

// SNS is an AWS SNS topic, published with the credentials of an account of the policies.
type SNS struct {
	Topic   string `json:"topic"` // ARN
	Account string `json:"account"`
}

// Subject is what a condition looks at.
type Subject struct {
	Instance *cloud.Instance
	Account  Account
}

// RetainRule gives the rule for one source whose tags are as given; problems are values that are no positive number,
// one line each, for which the default is used.
func (k Keep) RetainRule(tags cloud.Tags, zone *time.Location) (rule retain.Rule, problems []string) {
	n := func(c Count) int {
		v, problem := c.value(tags)
		if problem != "" {
			problems = append(problems, problem)
		}
		return v
	}
	rule = retain.Rule{
		Last: n(k.Last), Hourly: n(k.Hourly), Daily: n(k.Daily), Weekly: n(k.Weekly), Monthly: n(k.Monthly), Yearly: n(k.Yearly),
		Within: k.Within, Location: zone,
	}
	return rule, problems
}
