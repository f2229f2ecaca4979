package tencent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// key is what requests are signed with.
type key struct {
	id, secret, token string
	until             time.Time // zero: for good
}

// source gives a key that is good for the next few minutes.
type source interface {
	get(ctx context.Context) (key, error)
}

const renewBefore = 5 * time.Minute // so that no request is signed with a key that ends on the way

// errNone is a place that holds no credentials.
var errNone = errors.New("neither the environment, the credentials file, the pod nor the machine has any")

// sources puts together where the account's key comes from.
func (p *Provider) sources(c Config) source {
	var base source
	switch {
	case c.SecretID != "":
		base = fixed{key{id: c.SecretID, secret: c.SecretKey, token: c.Token}}
	case c.Profile != "":
		base = renewed(file{c, c.Profile})
	default:
		base = renewed(chain{
			{"the environment", environment{c}}, {"the credentials file", file{c, "default"}}, {"the pod's identity", pod{c, p}}, {"the machine's role", machine{c}},
		})
	}
	if c.AssumeRole != "" {
		base = renewed(role{p: p, base: base, arn: c.AssumeRole, externalID: c.ExternalID})
	}
	return base
}

// fixed is a key by value.
type fixed struct{ key }

func (f fixed) get(context.Context) (key, error) { return f.key, nil }

// cached keeps a key until it is time for the next. A renewal that fails is an error: no stale key is ever given.
type cached struct {
	from source
	gate chan struct{} // one at a time; a caller that waits can be cancelled
	have key
}

func renewed(from source) *cached { return &cached{from: from, gate: make(chan struct{}, 1)} }

func (c *cached) get(ctx context.Context) (key, error) {
	select {
	case c.gate <- struct{}{}:
	case <-ctx.Done():
		return key{}, ctx.Err()
	}
	defer func() { <-c.gate }()
	if c.have.id != "" && (c.have.until.IsZero() || time.Now().Before(c.have.until.Add(-renewBefore))) {
		return c.have, nil
	}
	k, err := c.from.get(ctx)
	if err != nil {
		return key{}, err
	}
	if !k.until.IsZero() && !time.Now().Before(k.until) {
		return key{}, fmt.Errorf("the key that was lent is over since %s; is this machine's clock right?", k.until.UTC().Format(time.RFC3339))
	}
	c.have = k
	return k, nil
}

// drop forgets a key that the cloud does not believe any more, though its time is not over.
func (c *cached) drop(k key) {
	c.gate <- struct{}{}
	defer func() { <-c.gate }()
	if c.have == k {
		c.have = key{}
	}
}

// chain asks one place after the other; one that holds something wrong ends the search.
type chain []struct {
	name string
	from source
}

func (c chain) get(ctx context.Context) (key, error) {
	for _, s := range c {
		k, err := s.from.get(ctx)
		switch {
		case err == nil:
			return k, nil
		case !errors.Is(err, errNone):
			return key{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return key{}, errNone
}

type environment struct{ Config }

func (e environment) get(context.Context) (key, error) {
	k := key{id: e.Getenv("TENCENTCLOUD_SECRET_ID"), secret: e.Getenv("TENCENTCLOUD_SECRET_KEY")}
	if k.token = e.Getenv("TENCENTCLOUD_SECURITY_TOKEN"); k.token == "" {
		k.token = e.Getenv("TENCENTCLOUD_TOKEN")
	}
	switch {
	case k.id == "" && k.secret == "":
		return key{}, errNone
	case k.id == "" || k.secret == "":
		return key{}, errors.New("TENCENTCLOUD_SECRET_ID needs TENCENTCLOUD_SECRET_KEY, and the other way round")
	}
	return k, nil
}

// file is a section of the credentials file.
type file struct {
	Config
	section string
}

func (f file) get(context.Context) (key, error) {
	path := f.Getenv("TENCENTCLOUD_CREDENTIALS_FILE")
	named := path != "" || f.Profile != ""
	if path == "" {
		home := f.Getenv("HOME")
		if home == "" {
			home = f.Getenv("USERPROFILE")
		}
		if home == "" {
			return key{}, errNone
		}
		path = filepath.Join(home, ".tencentcloud", "credentials")
	}
	data, err := f.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return key{}, errNone
	}
	if err != nil {
		return key{}, fmt.Errorf("profile %s: %w", f.section, err)
	}
	words := section(data, f.section)
	k := key{id: words["secret_id"], secret: words["secret_key"], token: words["token"]}
	if k.id == "" || k.secret == "" {
		return key{}, fmt.Errorf("profile %s: the section [%s] of %s has not both secret_id and secret_key", f.section, f.section, path)
	}
	return k, nil
}

// section reads name = value of one section of an INI file.
func section(data []byte, name string) map[string]string {
	out, in := map[string]string{}, false
	for line := range bytes.Lines(data) {
		s := strings.TrimSpace(string(line))
		switch {
		case s == "" || s[0] == '#' || s[0] == ';':
		case s[0] == '[':
			in = strings.TrimSpace(strings.TrimSuffix(s[1:], "]")) == name
		case in:
			if k, v, ok := strings.Cut(s, "="); ok {
				out[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	return out
}

const (
	metadataURL    = "http://metadata.tencentyun.com/latest/meta-data/"
	metadataWithin = 2 * time.Second
)

// machine is the role that is bound to the machine that this runs on.
type machine struct{ Config }

func (m machine) get(ctx context.Context) (key, error) {
	base := m.metadata
	if base == "" {
		base = metadataURL
	}
	name, err := m.read(ctx, base+"cam/security-credentials/")
	if err != nil || strings.TrimSpace(string(name)) == "" {
		if ctx.Err() != nil {
			return key{}, ctx.Err()
		}
		return key{}, errNone // not on such a machine, or no role is bound
	}
	body, err := m.read(ctx, base+"cam/security-credentials/"+strings.TrimSpace(string(name)))
	if err != nil {
		return key{}, err
	}
	var got struct {
		Code, TmpSecretId, TmpSecretKey, Token string
		ExpiredTime                            int64
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Code != "Success" || got.TmpSecretId == "" {
		return key{}, fmt.Errorf("the metadata service gives no key for the role %q (%s)", strings.TrimSpace(string(name)), got.Code)
	}
	return key{got.TmpSecretId, got.TmpSecretKey, got.Token, time.Unix(got.ExpiredTime, 0)}, nil
}

// read asks the metadata service, never through a proxy.
func (m machine) read(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := direct.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metadata service answers HTTP %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<16))
}
