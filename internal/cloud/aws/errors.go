package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stint-cloud/stint/internal/cloud"
)

// meaning is what a code stands for.
type meaning struct {
	class  error
	after  time.Duration // how long to stay away, where EC2 does not say but the limit does
	remedy string        // what a person can do
}

const (
	fixKeys  = "check the account's access key, and that it may be used in this region"
	fixClock = "set this machine's clock, or renew the temporary credentials"
)

// codes is the one table from EC2's codes to classes. A code that is not in it stays unclassed.
func codes() map[string]meaning {
	m := map[string]meaning{
		"InvalidAMIName.Duplicate": {class: cloud.ErrConflict}, // mostly our own earlier try: whoever asked looks again

		"ConcurrentSnapshotLimitExceeded":       {class: cloud.ErrBusy, after: time.Minute}, // until an earlier one of the disk is complete
		"SnapshotCreationPerVolumeRateExceeded": {class: cloud.ErrThrottled, after: 15 * time.Second},
		"ConcurrentMutationLimitExceeded":       {class: cloud.ErrThrottled, after: 15 * time.Second},

		"AuthFailure":                 {class: cloud.ErrDenied, remedy: fixKeys},
		"InvalidClientTokenId":        {class: cloud.ErrDenied, remedy: fixKeys},
		"MissingAuthenticationToken":  {class: cloud.ErrDenied, remedy: fixKeys},
		"UnrecognizedClientException": {class: cloud.ErrDenied, remedy: fixKeys},
		"SignatureDoesNotMatch":       {class: cloud.ErrDenied, remedy: "check the account's secret key and this machine's clock"},
		"IncompleteSignature":         {class: cloud.ErrDenied, remedy: fixKeys},
		"RequestExpired":              {class: cloud.ErrDenied, remedy: fixClock},
		"ExpiredToken":                {class: cloud.ErrDenied, remedy: fixClock},
		"ExpiredTokenException":       {class: cloud.ErrDenied, remedy: fixClock},
		"OptInRequired":               {class: cloud.ErrDenied, remedy: "switch the region or the service on for this account"},
		"UnauthorizedOperation":       {class: cloud.ErrDenied, remedy: "let the account's administrator allow the action; `stint permissions` prints what Stint needs"},
		"AccessDenied":                {class: cloud.ErrDenied, remedy: "check the role's trust policy and external id"},
	}
	for class, list := range map[error][]string{
		cloud.ErrNotFound: {
			"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed",
			"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "InvalidVolume.NotFound", "InvalidVolumeID.Malformed",
			"InvalidSubnetID.NotFound", "InvalidKeyPair.NotFound", "InvalidID",
		},
		cloud.ErrThrottled: {
			"RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
			"RequestThrottledException", "BandwidthLimitExceeded", "SlowDown", "TooManyRequestsException",
			"PriorRequestNotComplete", "EC2ThrottledException",
		},
		cloud.ErrTransient: {
			"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "RequestTimeout", "ServerInternal",
			"InsufficientInstanceCapacity", // stock comes and goes
		},
		cloud.ErrInUse: {"InvalidSnapshot.InUse", "VolumeInUse", "DependencyViolation", "ResourceInUse"},
		cloud.ErrConflict: {
			"IncorrectState", "IncorrectInstanceState", "IncorrectStateException", "InvalidAMIID.Unavailable",
			"InvalidVolume.ZoneMismatch", "IdempotentParameterMismatch", "InvalidState",
		},
		cloud.ErrQuota: {
			"SnapshotLimitExceeded", "InstanceLimitExceeded", "VcpuLimitExceeded", "VolumeLimitExceeded", "ImageLimitExceeded",
			"TagLimitExceeded", "MaxIOPSLimitExceeded", "AddressLimitExceeded",
			"ResourceLimitExceeded", // of copies see meaningOf
		},
		cloud.ErrDenied: {
			"OperationNotPermitted", // protected from termination or deregistration: a hold of the cloud's own
			"PendingVerification", "Blocked",
		},
		cloud.ErrUnsupported: {
			"UnsupportedOperation", "Unsupported", "InvalidAction", "UnknownParameter", "MissingParameter", "InvalidParameter",
			"InvalidParameterValue", "InvalidParameterCombination", "InvalidAMIName.Malformed", "MalformedQueryString",
			"InvalidParameterDependency", "InvalidAMIAttributeItemValue", "InvalidUserID.Malformed",
			"DryRunOperation", // we never ask for one
		},
	} {
		for _, code := range list {
			m[code] = meaning{class: class}
		}
	}
	return m
}

const (
	fixDefaultKey = "what EBS's default key encrypts cannot be shared: copy it with a key of your own, and share that copy"
	fixStorage    = "the account that shares the image must share its snapshots too, and let this account use their key"
	fixKeyRegion  = "name a key of the region that is copied to"
)

// meaningOf reads the table, after those codes that mean something else, or more, to one call than to others.
func (p *Provider) meaningOf(op, code string) meaning {
	switch op + " " + code {
	case "image.delete InvalidAMIID.Unavailable": // also of one that was deregistered before; only here that is as good as gone
		return meaning{class: cloud.ErrNotFound}
	case "image.copy ResourceLimitExceeded", "snapshot.copy ResourceLimitExceeded": // until one of those under way is complete
		return meaning{class: cloud.ErrBusy, after: 2 * time.Minute}
	case "image.copy InvalidRequest":
		return meaning{class: cloud.ErrDenied, remedy: fixStorage}
	case "image.share InvalidParameter", "image.share OperationNotPermitted", "snapshot.share OperationNotPermitted":
		return meaning{class: cloud.ErrDenied, remedy: fixDefaultKey}
	}
	return p.codes[code]
}

// problem makes an SDK's error ours. The caller's own cancellation passes through.
func (p *Provider) problem(ctx context.Context, op string, ref cloud.Ref, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s %s: %w", op, ref.Place(), cause)
	}
	e := &cloud.Error{Op: op, Ref: ref, Err: err}
	var response *awshttp.ResponseError
	status := 0
	if errors.As(err, &response) {
		e.RequestID = response.ServiceRequestID()
		if response.Response != nil && response.Response.Response != nil {
			status = response.HTTPStatusCode()
			e.After = retryAfter(response.Response.Header)
		}
	}
	var signIn *signInError
	aboutSignIn := errors.As(err, &signIn)
	var api smithy.APIError
	var malformed *smithy.DeserializationError
	switch {
	case errors.As(err, &api) && api.ErrorCode() != "UnknownError":
		e.Code = api.ErrorCode()
		m := p.meaningOf(op, e.Code)
		e.Class = m.class
		e.After = max(e.After, m.after)
		if e.Class == nil && status >= http.StatusInternalServerError {
			e.Class = cloud.ErrTransient
		}
		text := plain(api.ErrorMessage())
		if aboutSignIn {
			text = "assuming the role: " + text
		}
		e.Err = &said{text: text, remedy: m.remedy, cause: err}
	case status == http.StatusTooManyRequests:
		e.Class = cloud.ErrThrottled
		e.Err = &said{text: "HTTP 429", cause: err}
	case errors.As(err, &malformed):
		e.Class = cloud.ErrTransient
		e.Err = &said{text: plain(malformed.Error()), cause: err}
	case errors.Is(err, cloud.ErrTransient):
		e.Class = cloud.ErrTransient
	case aboutSignIn && !isSTS(signIn):
		e.Class = cloud.ErrDenied
		e.Err = &said{
			text:   "no credentials: " + last(signIn.err),
			remedy: "set keys, a profile or a role for this account, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", cause: err,
		}
	case status != 0 || isNetwork(err):
		// An error status without EC2's error in it comes from something in between, and a cut connection tells nothing.
		e.Class = cloud.ErrTransient
		e.Err = &said{text: last(err), cause: err}
		if status != 0 {
			e.Err = &said{text: fmt.Sprintf("HTTP %d without an answer of EC2's", status), cause: err}
		}
	default:
		e.Err = &said{text: plain(err.Error()), cause: err}
	}
	return e
}

// said is what the SDK said in one line, with what a person can do about it, and the whole error underneath.
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

// plain is one line without the encoded part of a refusal, which is a kilobyte that says nothing to a person.
func plain(text string) string {
	text, _, _ = strings.Cut(text, "Encoded authorization failure message")
	text = strings.TrimRight(strings.Join(strings.Fields(text), " "), ". ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "…"
	}
	return text
}

// last is the innermost text of an error: the SDK wraps half a dozen times.
func last(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil || next.Error() == "" {
			return plain(err.Error())
		}
		var op *net.OpError
		if errors.As(err, &op) && !errors.As(next, &op) {
			return plain(err.Error())
		}
		err = next
	}
}

// isSTS says whether it was STS that could not be reached, and not a place where credentials are looked for.
func isSTS(e *signInError) bool {
	var op *smithy.OperationError
	return errors.As(e.err, &op) && op.Service() == "STS" && isNetwork(e.err)
}

func isNetwork(err error) bool {
	var network net.Error
	var send *smithyhttp.RequestSendError
	return errors.As(err, &network) || errors.As(err, &send) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}

func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
