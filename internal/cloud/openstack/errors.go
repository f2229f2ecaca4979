package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/stint-cloud/stint/internal/cloud"
)

// rule is one line of the table that maps answers to classes. The first that fits decides. OpenStack has no codes but
// the HTTP status, so that where one status means several things only the words tell.
type rule struct {
	service string // empty for any
	status  int
	words   string // somewhere in the message, in lower case; empty for any
	class   error
}

var rules = []rule{
	{"", 401, "", cloud.ErrDenied},

	// Nova says 403 both to a policy and to a quota. Its 500 names the exception of the service that it asked.
	{"nova", 400, "could not be found", cloud.ErrNotFound}, // of the flavor or the image that a new server shall have
	{"nova", 400, "can not find requested image", cloud.ErrNotFound},
	{"nova", 403, "quota", cloud.ErrQuota},
	{"nova", 403, "limit", cloud.ErrQuota},
	{"nova", 403, "maximum number", cloud.ErrQuota},
	{"nova", 500, "overlimit", cloud.ErrQuota},
	{"nova", 409, "task_state", cloud.ErrInUse}, // it is busy with something else, such as another image, and will be free
	{"nova", 409, "", cloud.ErrConflict},

	// Cinder says 400 both to nonsense and to a wrong state.
	{"cinder", 400, "invalid snapshot", cloud.ErrConflict},
	{"cinder", 400, "invalid volume", cloud.ErrConflict},
	{"cinder", 400, "status must be", cloud.ErrConflict},
	{"cinder", 400, "dependent", cloud.ErrInUse},
	{"cinder", 409, "", cloud.ErrConflict},

	{"glance", 403, "protected", cloud.ErrConflict}, // the plan saw it unprotected
	{"glance", 409, "in use", cloud.ErrInUse},
	{"glance", 409, "", cloud.ErrConflict},
	{"glance", 410, "", cloud.ErrNotFound},

	{"", 403, "", cloud.ErrDenied},
	{"", 404, "", cloud.ErrNotFound}, // if believable says so
	{"", 406, "", cloud.ErrUnsupported},
	{"", 413, "", cloud.ErrQuota}, // if it does not tell when to come again
	{"", 429, "", cloud.ErrThrottled},
	{"", 498, "", cloud.ErrThrottled},
	{"", 500, "", cloud.ErrTransient},
	{"", 501, "", cloud.ErrUnsupported},
	{"", 502, "", cloud.ErrTransient},
	{"", 503, "", cloud.ErrTransient},
	{"", 504, "", cloud.ErrTransient},
}

// classOf finds the class of an answer; nil when it is new to us, as most 400 are.
func classOf(service string, status int, message string, after time.Duration) error {
	if status == http.StatusRequestEntityTooLarge && after > 0 { // the quotas of cinder come with Retry-After: 0
		return cloud.ErrThrottled
	}
	message = strings.ToLower(message)
	for _, r := range rules {
		if (r.service == "" || r.service == service) && r.status == status && strings.Contains(message, r.words) {
			return r.class
		}
	}
	return nil
}

// believable says whether a 404 comes from the service and is about a thing. Any proxy, and a wrong address in the
// catalog, say 404 as well, and that must not pass for "deleted".
func believable(service string, answer gophercloud.ErrUnexpectedResponseCode) bool {
	if service == "glance" {
		return answer.ResponseHeader.Get("X-Openstack-Request-Id") != ""
	}
	var body map[string]json.RawMessage
	return json.Unmarshal(answer.Body, &body) == nil && (body["itemNotFound"] != nil || body["NeutronError"] != nil)
}

// fail makes the error of a request.
func (p *Provider) fail(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &cloud.Error{Op: r.op, Ref: r.ref}
	if again := (*gophercloud.ErrUnableToReauthenticate)(nil); errors.As(err, &again) {
		return p.loginError(ctx, r.op, r.ref, again.ErrReauth)
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &answer) { // no answer, or one that broke off, or is not JSON
		out.Class, out.Err = cloud.ErrTransient, p.text(err.Error())
		return out
	}
	service := ""
	if r.to != nil {
		service = r.to.name
	}
	message := words(answer.Body, answer.Actual)
	out.Code = code(answer.Body, answer.Actual)
	out.RequestID = requestID(answer.ResponseHeader)
	out.After = retryAfter(answer.ResponseHeader)
	out.Class = classOf(service, answer.Actual, message, out.After)
	if answer.Actual == http.StatusNotFound && !believable(service, answer) {
		out.Class, message = nil, message+" (not an answer of "+service+": is the address in the catalog right?)"
	}
	if out.Class == cloud.ErrNotFound && r.ref.ID == "" && r.method == http.MethodGet {
		out.Class = nil // a listing is of no one thing that could be missing
	}
	out.Err = p.text(message)
	return out
}

// loginError makes the error of a login that went wrong, with what to do about it.
func (p *Provider) loginError(ctx context.Context, op string, ref cloud.Ref, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if known := (*cloud.Error)(nil); errors.As(err, &known) {
		return err
	}
	host := p.auth.IdentityEndpoint
	out := &cloud.Error{Op: op, Ref: ref}
	var answer gophercloud.ErrUnexpectedResponseCode
	switch {
	case errors.Is(err, errNoScope):
		out.Class, out.Err = cloud.ErrDenied, err
	case !errors.As(err, &answer):
		out.Class, out.Err = cloud.ErrTransient, p.text("identity service "+host+" cannot be reached: "+err.Error())
	default:
		message := words(answer.Body, answer.Actual)
		out.Code, out.RequestID, out.After = code(answer.Body, answer.Actual), requestID(answer.ResponseHeader), retryAfter(answer.ResponseHeader)
		out.Class = classOf("keystone", answer.Actual, message, out.After)
		switch answer.Actual {
		case http.StatusUnauthorized:
			message = p.who() + " is not accepted by " + host + ": check name, password or secret, domain and project, and whether they have expired"
		case http.StatusNotFound:
			out.Class = nil
			message = "there is no identity service at " + host + ": auth_url usually ends in /v3"
		}
		out.Err = p.text(message)
	}
	return out
}

// who names the credentials without telling them.
func (p *Provider) who() string {
	switch a := p.auth; {
	case a.ApplicationCredentialID != "":
		return "application credential " + a.ApplicationCredentialID
	case a.ApplicationCredentialName != "":
		return "application credential " + a.ApplicationCredentialName
	case a.TokenID != "":
		return "the token"
	case a.Username != "":
		return "user " + a.Username
	default:
		return "user " + p.auth.UserID
	}
}

// text is an error with what we know to be secret blacked out.
func (p *Provider) text(s string) error {
	for _, secret := range append([]string{p.client.Token()}, p.secrets...) {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return errors.New(short(s))
}

var (
	head   = regexp.MustCompile(`(?is)<(head|style|script)\b.*?</(head|style|script)>`)
	markup = regexp.MustCompile(`(?s)<[^>]*>`)
	titles = regexp.MustCompile(`^\d{3} [A-Z][A-Za-z ]*?  +`)
)

// words are what the service says, on one short line: the message of a JSON answer, or what is left of HTML.
func words(body []byte, status int) string {
	if _, inner := envelope(body); inner.Message != "" {
		return short(html.UnescapeString(inner.Message)) // nova quotes glance's HTML
	}
	s := markup.ReplaceAllString(head.ReplaceAllString(string(body), " "), "  ")
	s = titles.ReplaceAllString(strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(s), "\n", " ")), "")
	if s = short(s); s == "" {
		return http.StatusText(status)
	}
	return s
}

// short is one line of at most 240 characters.
func short(s string) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > 240 {
		return string(r[:239]) + "…"
	}
	return string(r)
}

type envelopeBody struct {
	Message string `json:"message"`
}

// envelope opens {"itemNotFound": {"code": 404, "message": "…"}}.
func envelope(body []byte) (string, envelopeBody) {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return "", envelopeBody{}
	}
	for name, raw := range all {
		var inner envelopeBody
		if json.Unmarshal(raw, &inner) == nil && inner.Message != "" {
			return name, inner
		}
	}
	var flat string
	if json.Unmarshal(all["message"], &flat) == nil {
		return "", envelopeBody{Message: flat}
	}
	return "", envelopeBody{}
}

// code is the status, with the service's name for it where it has one: "409 conflictingRequest".
func code(body []byte, status int) string {
	if name, _ := envelope(body); name != "" && name != "error" {
		return strconv.Itoa(status) + " " + name
	}
	return strconv.Itoa(status)
}

func requestID(h http.Header) string {
	if id := h.Get("X-Openstack-Request-Id"); id != "" {
		return id
	}
	return h.Get("X-Compute-Request-Id")
}

// retryAfter is in seconds or a date; what lies in the past is nothing.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
