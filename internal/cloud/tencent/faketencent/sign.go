package faketencent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "TC3-HMAC-SHA256"
	maxSkew   = 5 * time.Minute
)

// identity is who calls.
type identity struct {
	uin  string
	arn  string
	role bool
}

// session is a temporary key that AssumeRole gave out.
type session struct {
	UIN     string    `json:"uin"`
	Secret  string    `json:"secret"`
	Token   string    `json:"token"`
	ARN     string    `json:"arn"`
	Expires time.Time `json:"expires"`
}

func authField(header, name string) string {
	_, rest, _ := strings.Cut(header, " ")
	for part := range strings.SplitSeq(rest, ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == name {
			return v
		}
	}
	return ""
}

// authenticate checks the request's signature as the cloud does: known key, right service, clock not off by more than five
// minutes, and the signed headers and the body as they were signed. It gives who calls, and the service that is meant.
func (f *Fake) authenticate(r *http.Request, body []byte, unsigned bool, now time.Time) (identity, string, error) {
	auth := r.Header.Get("Authorization")
	if unsigned && (auth == "SKIP" || auth == "") {
		return identity{}, "", nil
	}
	invalid := func(why string) (identity, string, error) {
		return identity{}, "", fail("AuthFailure.InvalidAuthorization", "The request's Authorization header is invalid: %s.", why)
	}
	if !strings.HasPrefix(auth, algorithm+" ") {
		return invalid("it does not begin with " + algorithm)
	}
	scope := strings.Split(authField(auth, "Credential"), "/")
	if len(scope) != 4 || scope[3] != "tc3_request" {
		return invalid("the Credential is not id/date/service/tc3_request")
	}
	id, date, service := scope[0], scope[1], scope[2]
	if f.opt.AnyKey {
		return f.owner(f.opt.Accounts[0].UIN), service, nil
	}
	seconds, err := strconv.ParseInt(r.Header.Get("X-TC-Timestamp"), 10, 64)
	if err != nil {
		return invalid("X-TC-Timestamp is no number of seconds")
	}
	at := time.Unix(seconds, 0).UTC()
	if at.Format(time.DateOnly) != date {
		return invalid("the date of the Credential is not that of X-TC-Timestamp")
	}
	if d := now.Sub(at); d > maxSkew || d < -maxSkew {
		return identity{}, "", fail("AuthFailure.SignatureExpire", "The signature has expired or the time of the request is more than five minutes off.")
	}
	who, secret := f.owner(f.keys[id]), f.logins[f.keys[id]].Keys[id]
	token := r.Header.Get("X-TC-Token")
	s, lent := f.state.Sessions[id]
	switch {
	case lent && (token != s.Token || !now.Before(s.Expires)):
		return identity{}, "", fail("AuthFailure.TokenFailure", "The token is incorrect or has expired.")
	case lent:
		who, secret = identity{uin: s.UIN, arn: s.ARN, role: true}, s.Secret
	case secret == "":
		return identity{}, "", fail("AuthFailure.SecretIdNotFound", "The SecretId is not found, please ensure that your SecretId is correct.")
	case token != "":
		return identity{}, "", fail("AuthFailure.TokenFailure", "The token does not belong to this SecretId.")
	}
	signed := strings.Split(authField(auth, "SignedHeaders"), ";")
	if !slices.Contains(signed, "host") || !slices.Contains(signed, "content-type") || !slices.IsSorted(signed) {
		return invalid("host and content-type must be signed, in order")
	}
	stamp := strconv.FormatInt(seconds, 10)
	toSign := strings.Join([]string{algorithm, stamp, strings.Join(scope[1:], "/"), hexSHA(canonical(r, body, signed))}, "\n")
	key := []byte("TC3" + secret)
	for _, part := range scope[1:] {
		key = sum(key, part)
	}
	got, err := hex.DecodeString(authField(auth, "Signature"))
	if err != nil || !hmac.Equal(got, sum(key, toSign)) {
		return identity{}, "", fail("AuthFailure.SignatureFailure", "The provided credentials could not be validated. Please check your signature is correct.")
	}
	return who, service, nil
}

func (f *Fake) owner(uin string) identity {
	return identity{uin: uin, arn: "qcs::cam::uin/" + uin + ":uin/" + uin}
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, body []byte, signed []string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n/\n" + r.URL.RawQuery + "\n")
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			if value = r.Host; value == "" {
				value = r.URL.Host
			}
		}
		b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hexSHA(string(body)))
	return b.String()
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

// hashOf is the same for two bodies that differ in nothing but the client token, the order and the spaces.
func hashOf(body []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	var b bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k == "ClientToken" {
			continue
		}
		b.WriteString(k + "=")
		_ = json.Compact(&b, m[k]) // it was read before
		b.WriteByte('\n')
	}
	return hexSHA(b.String())[:32]
}
