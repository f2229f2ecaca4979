package alibaba

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
)

// meaning is what a code stands for.
type meaning struct {
	class  error
	after  time.Duration // how long to stay away, where the answer does not say
	minute bool          // a quota for each minute: stay away until the next one
	remedy string        // what a person can do
}

const (
	fixKeys   = "check the account's access key and that it is active"
	fixClock  = "set this machine's clock"
	fixToken  = "renew the temporary credentials"
	fixRights = "let the account's administrator allow the action; `stint permissions` prints what Stint needs"
	fixRegion = "check regions: of the account, and that the region is open to it"
	fixRole   = "check assume-role and external-id, and the role's trust policy"
	fixKey    = "check that the key is in the region of the copy, enabled, and that ECS may use it"
	fixMoney  = "settle the account's bill at Alibaba Cloud"
)

// codes is the one table from ECS's codes to classes. A code that is not in it stays unclassed.
func codes() map[string]meaning {
	m := map[string]meaning{
		"Throttling":                                      {class: cloud.ErrThrottled, minute: true},
		"Throttling.User":                                 {class: cloud.ErrThrottled, minute: true},
		"Throttling.Api":                                  {class: cloud.ErrThrottled, minute: true},
		"Throttling.ConcurrentLimitExceeded":              {class: cloud.ErrThrottled, after: 5 * time.Second},
		"Rejected.Throttling":                             {class: cloud.ErrThrottled, minute: true},
		"LastTokenProcessing":                             {class: cloud.ErrBusy, after: 5 * time.Second}, // our own earlier try is still under way
		"TooManySnapshot.Unfinished":                      {class: cloud.ErrBusy, after: time.Minute},     // until an earlier one of the disk is complete
		"QuotaExceed.ConcurrentSnapshotQuota":             {class: cloud.ErrBusy, after: time.Minute},
		"IncorrectDiskStatus.CreatingSnapshot":            {class: cloud.ErrBusy, after: time.Minute},
		"InvalidOperation.RelatedSnapshotNotFinished":     {class: cloud.ErrBusy, after: time.Minute},
		"Operation.Conflict":                              {class: cloud.ErrBusy, after: 15 * time.Second}, // something else is done to the thing
		"OperationConflict":                               {class: cloud.ErrBusy, after: 15 * time.Second},
		"InvalidOperation.Conflict":                       {class: cloud.ErrBusy, after: 15 * time.Second},
		"InvalidAccessKeyId.NotFound":                     {class: cloud.ErrDenied, remedy: fixKeys},
		"InvalidAccessKeyId.Inactive":                     {class: cloud.ErrDenied, remedy: fixKeys},
		"InvalidAccessKeyId":                              {class: cloud.ErrDenied, remedy: fixKeys},
		"SignatureDoesNotMatch":                           {class: cloud.ErrDenied, remedy: "check the account's secret key"},
		"IncompleteSignature":                             {class: cloud.ErrDenied, remedy: fixKeys},
		"InvalidTimeStamp.Expired":                        {class: cloud.ErrDenied, remedy: fixClock},
		"IllegalTimestamp":                                {class: cloud.ErrDenied, remedy: fixClock},
		"InvalidSecurityToken.Expired":                    {class: cloud.ErrDenied, remedy: fixToken},
		"InvalidSecurityToken.Malformed":                  {class: cloud.ErrDenied, remedy: fixToken},
		"InvalidSecurityToken.MismatchWithAccessKey":      {class: cloud.ErrDenied, remedy: fixToken},
		"MissingSecurityToken":                            {class: cloud.ErrDenied, remedy: fixToken},
		"Forbidden.RAM":                                   {class: cloud.ErrDenied, remedy: fixRights},
		"Forbidden":                                       {class: cloud.ErrDenied, remedy: fixRights},
		"NoPermission":                                    {class: cloud.ErrDenied, remedy: fixRights},
		"ActionUnauthorized":                              {class: cloud.ErrDenied, remedy: fixRights},
		"EntityNotExist.Role":                             {class: cloud.ErrDenied, remedy: fixRole},
		"InvalidParameter.RoleArn":                        {class: cloud.ErrDenied, remedy: fixRole},
		"InvalidRegionId.NotFound":                        {class: cloud.ErrDenied, remedy: fixRegion},
		"InvalidRegionId":                                 {class: cloud.ErrDenied, remedy: fixRegion},
		"InvalidRegionId.Malformed":                       {class: cloud.ErrDenied, remedy: fixRegion},
		"InvalidAccountStatus.NotEnoughBalance":           {class: cloud.ErrDenied, remedy: fixMoney},
		"Account.Arrearage":                               {class: cloud.ErrDenied, remedy: fixMoney},
		"InvalidAccountStatus.SnapshotServiceUnavailable": {class: cloud.ErrDenied, remedy: "switch the snapshot service on for the account"},
		"SnapshotCreatedDisk":                             {class: cloud.ErrInUse, remedy: "it goes once the disk that was made from it is gone"},
		"ImageUsingByInstance":                            {class: cloud.ErrInUse, remedy: "it goes once no instance stands on it"},
		"ImageUseShared":                                  {class: cloud.ErrInUse, remedy: "it goes once it is shared with nobody"},
		"InvalidImageName.Duplicated":                     {class: cloud.ErrConflict}, // mostly our own earlier try: whoever asked looks again
	}
	for class, list := range map[error][]string{
		cloud.ErrNotFound: {
			"InvalidImageId.NotFound", "InvalidSnapshotId.NotFound", "InvalidInstanceId.NotFound", "InvalidDiskId.NotFound",
			"InvalidResourceId.NotFound", "InvalidVSwitchId.NotFound", "InvalidKeyPairName.NotFound",
		},
		cloud.ErrTransient: {
			"ServiceUnavailable", "InternalError", "UnknownError", "SignatureNonceUsed",
			"OperationDenied.NoStock", // stock comes and goes
		},
		cloud.ErrInUse: {
			"SnapshotCreatedImage", "ImageIsPublic", "ImageIsCreating", "ImageIsImporting", "ImageIsExporting", "InvalidStatus.ImageIsCreating",
			"InvalidOperation.DeleteSharedSnapshotUnsupported",
		},
		cloud.ErrConflict: {
			"OperationDenied.ImageCopying", // of the copy: it is deleted once it is complete
			"IncorrectInstanceStatus", "IncorrectInstanceStatus.Initializing", "IncorrectImageStatus", "IncorrectDiskStatus", "IncorrectDiskStatus.NeverAttached",
			"IncorrectDiskStatus.Initializing", "InvalidSnapshotId.NotReady", "SnapshotNotReady", "IncorrectSnapshotStatus",
			"IdempotentParameterMismatch", "IdempotenceParamNotMatch", "InvalidParamter.Conflict", // spelt so
		},
		cloud.ErrQuota: {
			"QuotaExceed.Image", "QuotaExceed.Snapshot", "QuotaExceed.Tags", "QuotaExceed.AfterpayInstance", "QuotaExceed.DiskQuota",
			"ImageQuotaExceed.ImageFamily", "ConcurrentQuotaExceed.ExportImage", "WeeklyQuotaExceed.ExportImage",
		},
		cloud.ErrDenied: {
			"InvalidOperation.DeletionProtection", "InvalidOperation.ResourceManagedByCloudProduct", "InstanceLockedForSecurity",
			"InvalidOperation.SnapshotLocked", "Forbidden.RiskControl", "InvalidOperation.CoolOffPeriodExpired",
		},
		cloud.ErrUnsupported: {
			"UnsupportedOperation", "InvalidApi.NotFound", "InvalidAction.NotFound", "InvalidVersion", "UnsupportedParameter", "UnsupportedHTTPMethod",
			"MissingParameter", "InvalidParameter", "InvalidDiskCategory.NotSupported", "DiskCategory.OperationNotSupported",
			"RegionNotSupportCopy", "IncorrectDestinationRegion", "InvalidDestinationRegionId", "TagKey.Duplication",
			"InvalidImageName.Malformed", "InvalidSnapshotName.Malformed", "InvalidTagKey.Malformed", "InvalidTagValue.Malformed",
			"InvalidInstanceType.NotFound", "DryRunOperation", // we never ask for one
		},
	} {
		for _, code := range list {
			m[code] = meaning{class: class}
		}
	}
	return m
}

// meaningOf reads the table. Whole families of codes mean the same, so the prefix decides for those that are not in it.
func (p *Provider) meaningOf(code string) meaning {
	if m, ok := p.codes[code]; ok {
		return m
	}
	for _, family := range []struct {
		begin string
		m     meaning
	}{
		{"Throttling.", meaning{class: cloud.ErrThrottled, minute: true}},
		{"QuotaExceed.", meaning{class: cloud.ErrQuota}},
		{"InvalidParameter.KMSKeyId", meaning{class: cloud.ErrDenied, remedy: fixKey}},
		{"Forbidden.RAM", meaning{class: cloud.ErrDenied, remedy: fixRights}},
		{"InvalidSecurityToken.", meaning{class: cloud.ErrDenied, remedy: fixToken}},
		{"MissingParameter.", meaning{class: cloud.ErrUnsupported}},
	} {
		if strings.HasPrefix(code, family.begin) {
			return family.m
		}
	}
	return meaning{}
}

// problem makes an error of what came of a request. The caller's own cancellation passes through. Without an exchange the
// request was never made.
func (p *Provider) problem(ctx context.Context, q question, ex *exchange, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s %s: %w", q.op, q.ref.Place(), cause)
	}
	e := &cloud.Error{Op: q.op, Ref: q.ref}
	about := ""
	var signIn *signInError
	if errors.As(err, &signIn) {
		var refused *stsError
		if !errors.As(err, &refused) {
			return p.noKeys(e, signIn, err)
		}
		ex, about, err = refused.ex, "assuming the role: ", refused.err
	}
	e.After = ex.retryAfter()
	if ex != nil {
		e.RequestID = ex.requestID()
	}
	switch r, ok := ex.refusal(); {
	case ok && !(ex.status >= 200 && ex.status <= 299):
		m := p.meaningOf(r.Code)
		e.Code, e.Class = r.Code, m.class
		if e.After == 0 && m.after > 0 {
			e.After = m.after
		}
		if e.After == 0 && m.minute {
			e.After = untilNextMinute(time.Now())
		}
		if e.Class == nil && ex.status >= http.StatusInternalServerError {
			e.Class = cloud.ErrTransient
		}
		if e.Class == cloud.ErrNotFound && q.ref.ID == "" {
			e.Class = nil // a listing is of no one thing that could be missing
		}
		text := about + plain(r.Message)
		if m.remedy == fixRights { // ECS does not say which
			text += " (" + q.wire(about) + ")"
		}
		e.Err = &said{text: text, remedy: m.remedy, cause: err}
	case ex != nil && ex.status == http.StatusTooManyRequests:
		e.Class, e.Err = cloud.ErrThrottled, &said{text: about + "HTTP 429 without an answer of Alibaba Cloud's", cause: err}
	case ex != nil && ex.status != 0:
		e.Class, e.Err = cloud.ErrTransient, &said{text: about + err.Error(), cause: err}
	default:
		e.Class, e.Err = cloud.ErrTransient, &said{text: about + p.unreached(q, err), cause: err}
	}
	return e
}

// wire is the request's action as RAM's policies write it.
func (q question) wire(about string) string {
	switch {
	case about != "":
		return "sts:AssumeRole"
	case q.sts:
		return "sts:" + q.action
	}
	if q.params["Tag.1.Key"] != "" && !strings.HasSuffix(q.action, "TagResources") && !strings.HasPrefix(q.action, "Describe") {
		return "ecs:" + q.action + ", with ecs:TagResources for its tags"
	}
	return "ecs:" + q.action
}

// noKeys is about credentials that could not be found, or be renewed by whoever lends them.
func (p *Provider) noKeys(e *cloud.Error, signIn *signInError, err error) error {
	e.Class = cloud.ErrDenied
	remedy := "set keys, a profile or a role for this account, or the variables ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	var network net.Error
	if errors.As(err, &network) {
		e.Class, remedy = cloud.ErrTransient, ""
	}
	e.Err = &said{text: "no credentials: " + plain(signIn.err.Error()), remedy: remedy, cause: err}
	return e
}

// unreached is an endpoint that does not answer, with the hint that a wrong region looks the same.
func (p *Provider) unreached(q question, err error) string {
	text := last(err)
	if errors.Is(err, context.DeadlineExceeded) {
		text = fmt.Sprintf("no answer within %s", wholeWithin)
	}
	var dns *net.DNSError
	if p.host == "" && errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Sprintf("%s has no address: is %q a region of Alibaba Cloud? If its address is another, set endpoint:", dns.Name, q.ref.Region)
	}
	if p.host != "" {
		return "the endpoint " + p.host + " does not answer: " + text
	}
	return text
}

// untilNextMinute is how long a quota of calls in a minute holds.
func untilNextMinute(now time.Time) time.Duration {
	return now.Truncate(time.Minute).Add(time.Minute).Sub(now) + time.Second
}

// said is what was answered in one line, with what a person can do about it, and the whole error underneath.
type said struct {
	text, remedy string
	cause        error
}

func (s *said) Error() string {
	if s.remedy == "" {
		return s.text
	}
	return s.text + "; " + s.remedy
}

func (s *said) Unwrap() error { return s.cause }

const maxText = 300

// plain is one line.
func plain(text string) string {
	text = strings.TrimRight(strings.Join(strings.Fields(text), " "), ". ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "…"
	}
	return text
}

// last is the text of the network operation in an error, without the address and the words of HTTP around it.
func last(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return plain(op.Error())
	}
	for {
		next := errors.Unwrap(err)
		if next == nil || next.Error() == "" {
			return plain(err.Error())
		}
		err = next
	}
}
