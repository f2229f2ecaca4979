package fakealibaba

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	algorithm = "ACS3-HMAC-SHA256"
	maxSkew   = 15 * time.Minute
	maxNonces = 100_000
)

// identity is who calls.
type identity struct {
	arn    string
	userID string
}

// session is a temporary key that a role has lent.
type session struct {
	Account string    `json:"account"`
	Secret  string    `json:"secret"`
	Token   string    `json:"token"`
	ARN     string    `json:"arn"`
	Expires time.Time `json:"expires"`
}

// vault holds what roles have lent, for all accounts at one address.
type vault struct {
	mu   sync.Mutex
	lent map[string]session // by access key
}

func (v *vault) find(key string) (session, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.lent[key]
	return s, ok
}

func (v *vault) put(key string, s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lent[key] = s
}

// of gives the sessions of one account.
func (v *vault) of(account string) map[string]session {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]session{}
	for k, s := range v.lent {
		if s.Account == account {
			out[k] = s
		}
	}
	return out
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

// authenticate checks the request's signature: known key, a clock that is not off by more than a quarter of an hour, a nonce
// that was not used, and every header and the body as they were signed.
func (f *Fake) authenticate(r *http.Request, body []byte, now time.Time) (identity, error) {
	user := identity{arn: "acs:ram::" + f.opt.Account + ":user/stint", userID: "200000000000000001"}
	bad := func(code, message string) (identity, error) {
		return user, fail(http.StatusBadRequest, code, "%s", message)
	}
	auth := r.Header.Get("Authorization")
	if !strings.HasPrefix(auth, algorithm+" ") {
		return bad("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	if f.opt.AnyKey {
		return user, nil
	}
	key := authField(auth, "Credential")
	secret, known := f.opt.Keys[key]
	token := r.Header.Get("X-Acs-Security-Token")
	if s, ok := f.vault.find(key); ok && s.Account == f.opt.Account {
		switch {
		case token == "":
			return bad("MissingSecurityToken", "SecurityToken is mandatory for this action.")
		case token != s.Token:
			return bad("InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey.")
		case !now.Before(s.Expires):
			return bad("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
		}
		secret, known = s.Secret, true
		user = identity{arn: s.ARN, userID: "300000000000000001:stint"}
	} else if known && token != "" {
		return bad("InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey.")
	}
	if !known {
		return user, fail(http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", r.Header.Get("X-Acs-Date"))
	if err != nil {
		return bad("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if d := now.Sub(at); d > maxSkew || d < -maxSkew {
		return bad("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	signed := strings.Split(authField(auth, "SignedHeaders"), ";")
	for _, name := range []string{"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"} {
		if !slices.Contains(signed, name) {
			return bad("IncompleteSignature", "The header "+name+" must be signed.")
		}
	}
	if token != "" && !slices.Contains(signed, "x-acs-security-token") || !slices.IsSorted(signed) {
		return bad("IncompleteSignature", "The signed headers are not whole or not in order.")
	}
	got, err := hex.DecodeString(authField(auth, "Signature"))
	want := sum([]byte(secret), algorithm+"\n"+hexSHA(canonical(r, signed)))
	if err != nil || !hmac.Equal(got, want) || r.Header.Get("X-Acs-Content-Sha256") != hexSHA(string(body)) {
		return bad("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
	}
	return user, f.useNonce(r.Header.Get("X-Acs-Signature-Nonce"), now)
}

// useNonce refuses one that came before.
func (f *Fake) useNonce(nonce string, now time.Time) error {
	if nonce == "" {
		return fail(http.StatusBadRequest, "IncompleteSignature", "The signature nonce is empty.")
	}
	if len(f.nonces) > maxNonces {
		for n, at := range f.nonces {
			if now.Sub(at) > 2*maxSkew {
				delete(f.nonces, n)
			}
		}
		if len(f.nonces) > maxNonces {
			clear(f.nonces)
		}
	}
	if _, used := f.nonces[nonce]; used {
		return fail(http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	f.nonces[nonce] = now
	return nil
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, signed []string) string {
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(r.Method + "\n" + path + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":")
		if name == "host" {
			host := r.Host
			if host == "" {
				host = r.URL.Host
			}
			b.WriteString(host)
		} else {
			b.WriteString(strings.TrimSpace(strings.Join(r.Header.Values(name), ",")))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + r.Header.Get("X-Acs-Content-Sha256"))
	return b.String()
}

func canonicalQuery(q url.Values) string {
	names := make([]string, 0, len(q))
	for k := range q {
		names = append(names, k)
	}
	slices.Sort(names)
	parts := make([]string, 0, len(names))
	for _, k := range names {
		v := strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(q.Get(k)), "+", "%20"), "%7E", "~")
		parts = append(parts, k+"="+v)
	}
	return strings.Join(parts, "&")
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
