package policy

// The shapes are the words that policy files may use, each with what it means: the reader takes the words from here, and
// the JSON Schema the words and the rest. A field with the tag "later" is a word that this version does not do yet.

type shapeFile struct {
	Accounts map[string]shapeAccount `json:"accounts,omitempty" jsonschema_description:"The logins that Stint works with, by name."`
	Policies map[string]shapePolicy  `json:"policies,omitempty" jsonschema_description:"The rules, by name."`
	Notify   map[string]shapeChannel `json:"notify,omitempty" jsonschema_description:"Whom to tell, by name of the channel."`
}

type shapeAccount struct {
	Cloud       string            `json:"cloud" jsonschema:"enum=alibaba,enum=aws,enum=openstack,enum=tencent" jsonschema_description:"The cloud that the account is at."`
	Regions     []string          `json:"regions,omitempty" jsonschema:"minItems=1" jsonschema_description:"The regions that Stint may look at and work in. Left out: all that the account may use."`
	Endpoint    string            `json:"endpoint,omitempty" jsonschema:"pattern=^https?://" jsonschema_description:"Where the cloud's interface is, when it is not where the cloud's SDK looks: a private cloud, a proxy."`
	Credentials *shapeCredentials `json:"credentials,omitempty" jsonschema_description:"Where the credentials come from. Left out: the cloud's own chain of environment, files and machine role."`
	Pace        *shapePace        `json:"pace,omitempty" jsonschema_description:"How fast the account is asked. Left out: what the cloud allows by default."`
}

type shapeCredentials struct {
	Profile    string      `json:"profile,omitempty" jsonschema_description:"A profile of the cloud's shared configuration."`
	AssumeRole string      `json:"assume-role,omitempty" jsonschema:"pattern=^((arn:aws[a-z-]*:iam::[0-9]{12}|acs:ram::[0-9]+):role|qcs::cam::uin/[0-9]+:roleName)/" jsonschema_description:"The ARN of a role to take on."`
	ExternalID string      `json:"external-id,omitempty" jsonschema_description:"The external id that the role asks for."`
	CloudsYAML string      `json:"clouds-yaml,omitempty" jsonschema_description:"The name of an OpenStack cloud in clouds.yaml."`
	AccessKey  shapeSecret `json:"access-key,omitempty" jsonschema_description:"The access key's id (the secret id on Tencent Cloud)."`
	SecretKey  shapeSecret `json:"secret-key,omitempty" jsonschema_description:"The secret access key."`
	Token      shapeSecret `json:"token,omitempty" jsonschema_description:"The session token that belongs to the two keys."`
}

type shapePace struct {
	Reads  float64 `json:"reads,omitempty" jsonschema:"exclusiveMinimum=0,maximum=1000" jsonschema_description:"Calls per second and region that only look."`
	Writes float64 `json:"writes,omitempty" jsonschema:"exclusiveMinimum=0,maximum=1000" jsonschema_description:"Calls per second and region that change something."`
}

type shapePolicy struct {
	Disabled bool         `json:"disabled,omitempty" jsonschema_description:"The policy neither creates nor deletes."`
	Backup   *shapeBackup `json:"backup,omitempty" jsonschema_description:"Protects instances: which, when, how, and how long the backups stay."`
	Operate  struct{}     `json:"-" later:"operate"`
	Reclaim  struct{}     `json:"-" later:"reclaim"`
}

type shapeBackup struct {
	Select     shapeSelect   `json:"select" jsonschema_description:"Which instances: those that satisfy every part that is said."`
	Where      string        `json:"where,omitempty" jsonschema:"minLength=1" jsonschema_description:"A condition in CEL over resource, instance, account and tags. It narrows what is selected, and never widens it."`
	Schedule   shapeSchedule `json:"schedule" jsonschema_description:"When a backup is made."`
	Method     string        `json:"method" jsonschema:"enum=snapshots,enum=image" jsonschema_description:"snapshots of all disks of the instance together, or one image of it."`
	Reboot     bool          `json:"reboot,omitempty" jsonschema_description:"With method image: the instance may be rebooted for a clean file system."`
	Keep       shapeKeep     `json:"keep" jsonschema_description:"How many backups of each instance stay. A backup stays if any of the rules keeps it; the newest complete one always stays."`
	Orphans    shapeOrphans  `json:"orphans,omitempty" jsonschema_description:"What becomes of backups whose instance is gone. Left out: keep."`
	Limits     *shapeLimits  `json:"limits,omitempty" jsonschema_description:"The breaker, and how much is done at once."`
	StuckAfter shapeDuration `json:"stuck-after,omitempty" jsonschema_description:"A backup that is still being made after this long is reported. Left out: 1d."`
	Copies     []shapeCopy   `json:"copies,omitempty" jsonschema:"minItems=1" jsonschema_description:"Other places in which each backup is kept as well. Left out: none."`
	On         struct{}      `json:"-" later:"on"`
	Standby    struct{}      `json:"-" later:"standby"`
}

type shapeCopy struct {
	To   string    `json:"to" jsonschema:"pattern=^[^/]+/[^/]+$" jsonschema_description:"The place of the copy, as account/region: another region of the account that the instances are in."`
	Keep shapeKeep `json:"keep" jsonschema_description:"How many copies of each instance's backups stay there, whatever stays elsewhere."`
	Key  string    `json:"key,omitempty" jsonschema:"minLength=1" jsonschema_description:"The cloud's id of a key in that region which encrypts the copy. Left out: as the cloud does by itself."`

	Standby struct{} `json:"-" later:"standby"`
}

type shapeSelect struct {
	Accounts []string                 `json:"accounts,omitempty" jsonschema:"minItems=1" jsonschema_description:"Instances of any of these accounts."`
	Regions  []string                 `json:"regions,omitempty" jsonschema:"minItems=1" jsonschema_description:"Instances in any of these regions."`
	Tags     map[string]shapeTagValue `json:"tags,omitempty" jsonschema_description:"Instances that have all of these tags."`
	IDs      []string                 `json:"ids,omitempty" jsonschema:"minItems=1" jsonschema_description:"Instances with any of these ids."`
	Except   *shapeExcept             `json:"except,omitempty" jsonschema_description:"Instances that are not covered, whatever else is said."`
}

type shapeExcept struct {
	Tags map[string]shapeTagValue `json:"tags,omitempty" jsonschema_description:"Instances that have any of these tags."`
	IDs  []string                 `json:"ids,omitempty" jsonschema:"minItems=1" jsonschema_description:"Instances with any of these ids."`
}

type shapeSchedule struct {
	Cron     string        `json:"cron,omitempty" jsonschema_description:"Five fields as in cron (minute hour day-of-month month day-of-week), or six with the year last and ? L W #."`
	Every    shapeDuration `json:"every,omitempty" jsonschema_description:"A fixed step, counted from 1970-01-01 in UTC: 1h is every full hour."`
	TimeZone string        `json:"time-zone,omitempty" jsonschema_description:"The zone of the schedule and of the days, weeks and months that keep counts by, as Asia/Shanghai. Left out: UTC."`
	CatchUp  shapeDuration `json:"catch-up,omitempty" jsonschema_description:"How late a missed slot is still made up, the newest only. Left out: 1h."`
}

type shapeKeep struct {
	Last    shapeCount    `json:"last,omitempty" jsonschema_description:"The newest so many."`
	Hourly  shapeCount    `json:"hourly,omitempty" jsonschema_description:"The newest of each of so many hours that have one."`
	Daily   shapeCount    `json:"daily,omitempty" jsonschema_description:"The newest of each of so many days that have one."`
	Weekly  shapeCount    `json:"weekly,omitempty" jsonschema_description:"The newest of each of so many weeks that have one."`
	Monthly shapeCount    `json:"monthly,omitempty" jsonschema_description:"The newest of each of so many months that have one."`
	Yearly  shapeCount    `json:"yearly,omitempty" jsonschema_description:"The newest of each of so many years that have one."`
	Within  shapeDuration `json:"within,omitempty" jsonschema_description:"All that are no older than this, measured back from the newest."`
}

type shapeFromTag struct {
	FromTag string `json:"from-tag" jsonschema:"minLength=1" jsonschema_description:"The tag of the instance whose value is the number."`
	Default int    `json:"default,omitempty" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"The number where the tag is missing or is no number. Left out: 7."`
}

type shapeOrphanAge struct {
	Within shapeDuration `json:"within" jsonschema_description:"They stay while no older than this, measured back from the newest; the newest always stays."`
}

type shapeLimits struct {
	AtOnce            int        `json:"at-once,omitempty" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"So many backups are made at the same time at most."`
	StopAfterFailures int        `json:"stop-after-failures,omitempty" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"A run stops after so many failures."`
	Deletes           int        `json:"deletes,omitempty" jsonschema:"minimum=1,maximum=1000000" jsonschema_description:"A plan that would delete more backups than this deletes none."`
	DeleteShare       shapeShare `json:"delete-share,omitempty" jsonschema_description:"A plan that would delete a larger share of the policy's backups deletes none, unless it is three or fewer. Left out: 50%."`
}

type shapeChannel struct {
	SMTP    *shapeSMTP    `json:"smtp,omitempty" jsonschema_description:"Mail by a server."`
	Webhook *shapeWebhook `json:"webhook,omitempty" jsonschema_description:"A POST of JSON."`
	SNS     *shapeSNS     `json:"sns,omitempty" jsonschema_description:"An AWS SNS topic."`
}

type shapeSMTP struct {
	Server   string      `json:"server" jsonschema_description:"host:port of the mail server."`
	Security string      `json:"security,omitempty" jsonschema:"enum=starttls,enum=tls,enum=none" jsonschema_description:"How the connection is protected. Left out: starttls."`
	User     string      `json:"user,omitempty" jsonschema_description:"The name to sign in with."`
	Password shapeSecret `json:"password,omitempty" jsonschema_description:"The password to sign in with."`
	From     string      `json:"from" jsonschema_description:"The sender's address."`
	To       []string    `json:"to" jsonschema:"minItems=1" jsonschema_description:"The receivers' addresses."`
}

type shapeWebhook struct {
	URL    string      `json:"url" jsonschema:"pattern=^https?://" jsonschema_description:"Where to POST."`
	Secret shapeSecret `json:"secret,omitempty" jsonschema_description:"The key that signs what is sent with HMAC-SHA256."`
}

type shapeSNS struct {
	Topic   string `json:"topic" jsonschema:"pattern=^arn:aws[a-z-]*:sns:" jsonschema_description:"The topic's ARN."`
	Account string `json:"account" jsonschema_description:"The account whose credentials publish."`
}

type (
	shapeSecret   string // env:NAME or file:PATH
	shapeDuration string // 30d
	shapeTagValue struct{}
	shapeCount    struct{}
	shapeOrphans  struct{}
	shapeShare    struct{}
)
