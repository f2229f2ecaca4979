package alibaba

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// metadata is where an instance asks about itself.
const metadata = "http://100.100.100.200/latest/"

// metadataWithin is short: elsewhere than on an instance nobody answers there.
const metadataWithin = 2 * time.Second

// instance are the keys of the role of the instance that we run on.
type instance struct {
	http *http.Client
	role string // asked for when empty
}

func (i *instance) keys(ctx context.Context) (keys, error) {
	token, err := fetch(ctx, i.http, http.MethodPut, metadata+"api/token", http.Header{"X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds": {"21600"}})
	if err != nil {
		return keys{}, fmt.Errorf("%w here (no keys in the environment or a file, and %s)", errNone, plain(last(err)))
	}
	h := http.Header{"X-Aliyun-Ecs-Metadata-Token": {strings.TrimSpace(string(token))}}
	const base = metadata + "meta-data/ram/security-credentials/"
	role := i.role
	if role == "" {
		b, err := fetch(ctx, i.http, http.MethodGet, base, h)
		if role = strings.TrimSpace(string(b)); err != nil || role == "" {
			return keys{}, errors.New("none are configured, and this instance has no RAM role")
		}
	}
	b, err := fetch(ctx, i.http, http.MethodGet, base+role, h)
	if err != nil {
		return keys{}, fmt.Errorf("the instance's role %s: %w", role, err)
	}
	return lent(b, "the instance's role "+role)
}

// remote are keys that a local service gives out.
type remote struct {
	http *http.Client
	uri  string
}

func (r *remote) keys(ctx context.Context) (keys, error) {
	b, err := fetch(ctx, r.http, http.MethodGet, r.uri, nil)
	if err != nil {
		return keys{}, fmt.Errorf("ALIBABA_CLOUD_CREDENTIALS_URI: %s", plain(last(err)))
	}
	return lent(b, "ALIBABA_CLOUD_CREDENTIALS_URI")
}

func fetch(ctx context.Context, client *http.Client, method, url string, h http.Header) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, errors.New("its address is not one")
	}
	r.Header = h
	if h == nil {
		r.Header = http.Header{}
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

// lent reads the keys that metadata and a credentials URI give out.
func lent(b []byte, whose string) (keys, error) {
	var out struct {
		Code                                        string
		AccessKeyID, AccessKeySecret, SecurityToken string
		Expiration                                  time.Time
	}
	if json.Unmarshal(b, &out) != nil || out.Code != "Success" || out.AccessKeyID == "" || out.AccessKeySecret == "" || out.Expiration.IsZero() {
		return keys{}, fmt.Errorf("%s gives no keys", whose)
	}
	return keys{id: out.AccessKeyID, secret: out.AccessKeySecret, token: out.SecurityToken, ends: out.Expiration}, nil
}
