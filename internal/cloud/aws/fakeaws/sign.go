package fakeaws

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	maxSkew   = 5 * time.Minute
)

// identity is who calls.
type identity struct {
	arn    string
	userID string
}

// session is a temporary key that AssumeRole gave out.
type session struct {
	Secret  string    `json:"secret"`
	Token   string    `json:"token"`
	ARN     string    `json:"arn"`
	Expires time.Time `json:"expires"`
}

// scopeRegion is the region of the credential scope: it is how one endpoint knows which region is meant.
func scopeRegion(r *http.Request) string {
	if parts := strings.Split(authField(r.Header.Get("Authorization"), "Credential"), "/"); len(parts) == 5 {
		return parts[2]
	}
	return ""
}

func authField(header, name string) string {
	_, rest, _ := strings.Cut(header, " ")
	for _, part := range strings.Split(rest, ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == name {
			return v
		}
	}
	return ""
}

// authenticate checks the request's signature as AWS does: known key, right region and service, clock not off by more
// than five minutes, and every signed header and the body as they were signed.
func (f *Fake) authenticate(r *http.Request, body []byte, sts bool, now time.Time) (identity, error) {
	user := identity{arn: "arn:aws:iam::" + f.opt.Account + ":user/stint", userID: "AIDAEXAMPLE"}
	auth := r.Header.Get("Authorization")
	if !strings.HasPrefix(auth, algorithm+" ") {
		return user, failStatus(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	scope := strings.Split(authField(auth, "Credential"), "/")
	if len(scope) != 5 {
		return user, failStatus(http.StatusForbidden, "IncompleteSignature", "the Credential is not key/date/region/service/aws4_request")
	}
	if f.opt.AnyKey {
		return user, nil
	}
	service := "ec2"
	if sts {
		service = "sts"
	}
	refused := failStatus(http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
	secret, known := f.opt.Keys[scope[0]]
	token := r.Header.Get("X-Amz-Security-Token")
	if s, ok := f.state.Sessions[scope[0]]; ok {
		if token != s.Token {
			return user, refused
		}
		if !now.Before(s.Expires) {
			return user, failStatus(http.StatusBadRequest, "RequestExpired", "Request has expired.")
		}
		secret, known = s.Secret, true
		user = identity{arn: s.ARN, userID: "AROAEXAMPLE:stint"}
	} else if token != "" {
		return user, refused
	}
	if !known {
		if sts {
			return user, failStatus(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
		}
		return user, refused
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	if err != nil || scope[1] != date[:8] || scope[3] != service || scope[4] != "aws4_request" {
		return user, failStatus(http.StatusForbidden, "IncompleteSignature", "the date or the scope of the signature is wrong")
	}
	if now.Sub(at) > maxSkew {
		return user, failStatus(http.StatusBadRequest, "RequestExpired", "Request has expired.")
	}
	if at.Sub(now) > maxSkew {
		return user, failStatus(http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
	}
	signed := strings.Split(authField(auth, "SignedHeaders"), ";")
	if !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") || token != "" && !slices.Contains(signed, "x-amz-security-token") {
		return user, failStatus(http.StatusForbidden, "IncompleteSignature", "host, x-amz-date and the security token must be signed")
	}
	toSign := strings.Join([]string{algorithm, date, strings.Join(scope[1:], "/"), hexSHA(canonical(r, body, signed))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range scope[1:] {
		key = sum(key, part)
	}
	got, err := hex.DecodeString(authField(auth, "Signature"))
	if err != nil || !hmac.Equal(got, sum(key, toSign)) {
		if sts {
			return user, failStatus(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
		}
		return user, refused
	}
	return user, nil
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, body []byte, signed []string) string {
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":")
		switch name {
		case "host":
			host := r.Host
			if host == "" {
				host = r.URL.Host
			}
			b.WriteString(host)
		case "content-length":
			b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		default:
			for i, v := range r.Header.Values(name) {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(strings.Join(strings.Fields(v), " "))
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hexSHA(string(body)))
	return b.String()
}

// canonicalQuery sorts by the names as they are encoded, and then by the values; Encode sorts by what they stand for.
func canonicalQuery(q url.Values) string {
	encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var pairs [][2]string
	for k, values := range q {
		for _, v := range values {
			pairs = append(pairs, [2]string{encode(k), encode(v)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) })
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(p[0] + "=" + p[1])
	}
	return out.String()
}

func hexSHA(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func sum(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
