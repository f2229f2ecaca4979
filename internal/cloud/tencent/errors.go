package tencent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdkerrors "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"

	"github.com/stint-cloud/stint/internal/cloud"
)

// meaning is what a code stands for.
type meaning struct {
	class  error
	after  time.Duration // how long to stay away, where Tencent Cloud does not say but the reason does
	remedy string        // what a person can do
}

const (
	fixKeys   = "check the account's secret id and key"
	fixClock  = "set this machine's clock: it may be five minutes off at most"
	fixRights = "let the account's administrator allow the action in CAM; docs/guide/tencent.md lists those that Stint needs"
	fixRegion = "check the account's regions: they are named as ap-guangzhou"
	fixRole   = "check assume-role, whom the role trusts, and its external id"
	fixMoney  = "top up the account or pay the open order"
	fixQuota  = "delete what is not needed, or ask Tencent Cloud for a higher quota"
)

// codes is the one table from Tencent Cloud's codes to classes. A code is looked up as it is, and then without its last
// words: RequestLimitExceeded.UinLimitExceeded is a RequestLimitExceeded. One that is not in it stays unclassed.
func codes() map[string]meaning {
	m := map[string]meaning{
		"RequestLimitExceeded":                        {class: cloud.ErrThrottled},
		"ResourceUnavailable.TooManyCreatingSnapshot": {class: cloud.ErrBusy, after: time.Minute}, // everybody's together
		"InvalidDisk.SnapshotCreating":                {class: cloud.ErrBusy, after: 30 * time.Second},

		"AuthFailure":                               {class: cloud.ErrDenied, remedy: fixKeys},
		"AuthFailure.SignatureExpire":               {class: cloud.ErrDenied, remedy: fixClock},
		"AuthFailure.SignatureFailure":              {class: cloud.ErrDenied, remedy: "check the account's secret key"},
		"AuthFailure.TokenFailure":                  {class: cloud.ErrDenied, remedy: "renew the temporary credentials, and check this machine's clock"},
		"AuthFailure.UnauthorizedOperation":         {class: cloud.ErrDenied, remedy: fixRights},
		"UnauthorizedOperation":                     {class: cloud.ErrDenied, remedy: fixRights},
		"UnauthorizedOperation.MFAExpired":          {class: cloud.ErrDenied, remedy: "let the key act without a second factor: Stint has none"},
		"UnauthorizedOperation.MFANotFound":         {class: cloud.ErrDenied, remedy: "let the key act without a second factor: Stint has none"},
		"ResourceNotFound.RoleNotFound":             {class: cloud.ErrDenied, remedy: fixRole},
		"InvalidAccount":                            {class: cloud.ErrDenied, remedy: fixMoney},
		"UnauthorizedOperation.NotHavePaymentRight": {class: cloud.ErrDenied, remedy: "let the key pay for what it makes"},

		"UnsupportedRegion":                             {class: cloud.ErrUnsupported, remedy: fixRegion},
		"InvalidRegion":                                 {class: cloud.ErrUnsupported, remedy: fixRegion},
		"InvalidParameterValue.InvalidRegion":           {class: cloud.ErrUnsupported, remedy: "an image of another account is copied in its own region first, and from there on"},
		"NoSuchProduct":                                 {class: cloud.ErrUnsupported, remedy: fixRegion},
		"InvalidImageId.InShared":                       {class: cloud.ErrInUse, remedy: "take the sharing of the image back first"},
		"UnsupportedOperation.SnapHasShared":            {class: cloud.ErrInUse, remedy: "take the sharing of the snapshot back first"},
		"UnsupportedOperation.StoppedModeStopCharging":  {class: cloud.ErrUnsupported, remedy: "stop the instance so that it is charged for, or start it: Tencent Cloud makes no image of it otherwise"},
		"InvalidParameter.ShouldConvertSnapshotToImage": {class: cloud.ErrUnsupported, remedy: "make an image of the snapshot in the console: no disk can be made of a system disk's"},
	}
	for class, list := range map[error][]string{
		cloud.ErrNotFound: {
			"InvalidImageId.NotFound", "InvalidImageId.Malformed", "InvalidSnapshotId.NotFound", "InvalidInstanceId.NotFound", "InvalidInstanceId.Malformed",
			"InvalidDiskId.NotFound", "InvalidAccountId.NotFound", "InvalidParameter.SnapshotNotFound", "InvalidParameterValue.ResourceIdInvalid",
			"InvalidKeyPairId.NotFound", "ResourceNotFound",
		},
		cloud.ErrTransient: {
			"InternalError", "InternalServerError", "ServiceUnavailable", "FailedOperation.ResourceTagProcessing",
			"ResourceInsufficient", "ResourcesSoldOut", // stock comes and goes
		},
		cloud.ErrInUse: {
			"UnsupportedOperation.SnapshotHasBindedImage", "ResourceInUse", "ResourceBusy", "ResourceUnavailable.SnapshotCreating",
			"ResourceUnavailable.DiskBackupCreating", "InvalidDisk.Busy", "MutexOperation.TaskRunning",
			"OperationDenied.InstanceOperationInProgress", "TradeDealConflict",
		},
		cloud.ErrConflict: {
			"InvalidImageName.Duplicate", // mostly our own earlier try: whoever asked looks again
			"InvalidImageId.IncorrectState", "InvalidParameterValue.InvalidImageState", "FailedOperation.InvalidImageState", "InvalidSnapshot.NotSupported",
			"ResourceInUse.CopySnapshotConflict", // it is being copied there, mostly by our own earlier try
			"UnsupportedOperation.StateError", "InvalidParameter.InvalidClientToken", "FailedOperation.AccountAlreadyExists",
		},
		cloud.ErrDenied: {"UnsupportedOperation.InstancesProtected", "OperationDenied", "IpInBlacklist", "IpNotInWhitelist"},
		cloud.ErrUnsupported: {
			"UnsupportedOperation", "InvalidAction", "UnknownParameter", "MissingParameter", "InvalidParameter", "InvalidParameterValue", "InvalidRequest",
			"InvalidFilter", "InvalidFilterValue", "InvalidInstanceName", "InvalidInstanceType", "InvalidPermission", "InvalidZone", "InvalidDisk",
			"InvalidClientToken", "NoSuchVersion", "UnsupportedProtocol", "RequestSizeLimitExceeded", "InvalidInstance.NotSupported",
			"FailedOperation.IllegalTagKey", "FailedOperation.IllegalTagValue", "FailedOperation.TagKeyReserved", "ResourceUnavailable.NotSupported",
			"ResourceUnavailable.DiskSnapshotChainTooLarge", "FailedOperation.SnapshotSizeLargerThanDataSize",
		},
	} {
		for _, code := range list {
			m[code] = meaning{class: class}
		}
	}
	for _, code := range []string{
		"ImageQuotaLimitExceeded", "InsufficientSnapshotQuota", "InstancesQuotaLimitExceeded", "ResourceInsufficient.OverQuota", "OverQuota", "LimitExceeded",
		"InvalidParameterValue.TagQuotaLimitExceeded", "LimitExceeded.TagQuotaLimitExceeded",
	} {
		m[code] = meaning{class: cloud.ErrQuota, remedy: fixQuota}
	}
	return m
}

// meaningOf reads the table.
func (p *Provider) meaningOf(code string) meaning {
	if strings.HasPrefix(code, "UnsupportedOperation.InstanceState") {
		return meaning{class: cloud.ErrConflict}
	}
	for {
		if m, ok := p.codes[code]; ok {
			return m
		}
		i := strings.LastIndexByte(code, '.')
		if i < 0 {
			return meaning{}
		}
		code = code[:i]
	}
}

// codeOf is the cloud's word in an SDK's error, empty without one.
func codeOf(err error) string {
	if api, ok := errors.AsType[*sdkerrors.TencentCloudSDKError](err); ok {
		return api.Code
	}
	return ""
}

// problem makes an SDK's error ours. The caller's own cancellation passes through.
func (p *Provider) problem(ctx context.Context, op string, ref cloud.Ref, err error, ex *exchange) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s %s: %w", op, ref.Place(), cause)
	}
	e := &cloud.Error{Op: op, Ref: ref, Err: err}
	signIn, aboutSignIn := errors.AsType[*signInError](err)
	sts, aboutSTS := errors.AsType[*stsError](err)
	if aboutSTS {
		ex = sts.ex
	}
	if ex == nil {
		ex = &exchange{}
	}
	e.RequestID, e.After = ex.id, ex.after
	where := ""
	if aboutSTS {
		where = "signing in by STS: "
	}
	api, ok := errors.AsType[*sdkerrors.TencentCloudSDKError](err)
	switch {
	case ok && !strings.HasPrefix(api.Code, "ClientError.") && ex.foreign == "":
		e.Code = api.Code
		m := p.meaningOf(e.Code)
		if aboutSTS && m.class == cloud.ErrDenied && m.remedy == fixRights {
			m.remedy = fixRole
		}
		e.Class, e.After = m.class, max(e.After, m.after)
		if e.Class == nil && ex.status >= http.StatusInternalServerError {
			e.Class = cloud.ErrTransient
		}
		e.Err = &said{text: where + plain(api.Message), remedy: m.remedy, cause: err}
	case ex.foreign != "" && ex.status == http.StatusTooManyRequests:
		e.Class, e.Err = cloud.ErrThrottled, &said{text: where + "HTTP 429", cause: err}
	case ex.foreign != "":
		e.Class, e.Err = cloud.ErrTransient, &said{text: where + ex.foreign, cause: err}
	case ex.err != nil:
		e.Class = cloud.ErrTransient
		e.Err = &said{text: where + last(ex.err), remedy: "is the endpoint right, and the way to it open?", cause: errors.Join(err, ex.err)}
	case errors.Is(err, cloud.ErrTransient):
		e.Class = cloud.ErrTransient
		e.Err = &said{text: strings.TrimSuffix(err.Error(), ": "+cloud.ErrTransient.Error()), cause: err} // the class is said once
	case aboutSignIn:
		e.Class, e.Code = cloud.ErrDenied, "Credentials"
		e.Err = &said{
			text:   "no credentials: " + plain(signIn.err.Error()),
			remedy: "set keys, a profile or a role for this account, or the variables TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY", cause: err,
		}
	case ok:
		e.Class, e.Code, e.Err = cloud.ErrTransient, api.Code, &said{text: plain(api.Message), cause: err}
	default:
		e.Err = &said{text: plain(err.Error()), cause: err}
	}
	return e
}

// said is what was said in one line, with what a person can do about it, and the whole error underneath.
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

// last is the innermost text of a network error that still says where.
func last(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op
	}
	return plain(err.Error())
}
