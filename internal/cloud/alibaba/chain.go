package alibaba

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// chain finds credentials where the vendor's tools look, in their order. The first place that says anything is the one:
// what is wrong there is an error, and never a reason to look on and sign in as somebody else.
type chain struct {
	p        *Provider
	profile  string
	env      func(string) string
	readFile func(string) ([]byte, error)
	found    source // by whose turn it is in kept
}

// newChain gives the account's source of keys.
func newChain(p *Provider, c Config) source {
	if c.AccessKey != "" {
		return fixed{id: c.AccessKey, secret: c.SecretKey, token: c.SecurityToken}
	}
	ch := &chain{p: p, profile: c.Profile, env: c.Env, readFile: c.ReadFile}
	if ch.env == nil {
		ch.env = os.Getenv
	}
	if ch.readFile == nil {
		ch.readFile = os.ReadFile
	}
	return keep(ch)
}

func (c *chain) keys(ctx context.Context) (keys, error) {
	if c.found == nil {
		s, err := c.look()
		if err != nil {
			return keys{}, err
		}
		c.found = s
	}
	return c.found.keys(ctx)
}

var errNone = errors.New("none are configured")

// look goes through the places.
func (c *chain) look() (source, error) {
	places := []func() (source, error){c.fromEnv, c.fromOIDC, c.fromCLI, c.fromFile, c.fromInstance, c.fromURI}
	if c.profile != "" {
		places = []func() (source, error){c.fromCLI, c.fromFile}
	}
	for _, place := range places {
		if s, err := place(); s != nil || err != nil {
			return s, err
		}
	}
	if c.profile != "" {
		return nil, fmt.Errorf("there is no profile %q in %s or %s", c.profile, c.cliPath(), c.filePath())
	}
	return nil, errNone
}

func (c *chain) fromEnv() (source, error) {
	id, secret := c.env("ALIBABA_CLOUD_ACCESS_KEY_ID"), c.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
	switch {
	case id == "" && secret == "":
		return nil, nil
	case id == "" || secret == "":
		return nil, errors.New("only one of ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET is set")
	}
	return fixed{id: id, secret: secret, token: c.env("ALIBABA_CLOUD_SECURITY_TOKEN")}, nil
}

func (c *chain) fromOIDC() (source, error) {
	role, provider, file := c.env("ALIBABA_CLOUD_ROLE_ARN"), c.env("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"), c.env("ALIBABA_CLOUD_OIDC_TOKEN_FILE")
	if role == "" || provider == "" || file == "" {
		return nil, nil
	}
	return c.oidc(role, provider, file), nil
}

func (c *chain) oidc(role, provider, file string) source {
	return &federated{p: c.p, role: role, provider: provider, token: func() (string, error) {
		b, err := c.readFile(file)
		if err != nil {
			return "", fmt.Errorf("the OIDC token: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}}
}

// entry is a profile of either file.
type entry struct {
	mode                        string
	id, secret, token           string
	role, external, from, ecs   string // the role to assume; the profile to assume it with; the instance's role
	oidcProvider, oidcTokenFile string
}

const deep = 5 // how many profiles may stand on each other

// source makes an entry's source; other finds the profile that it stands on.
func (c *chain) source(e entry, name string, other func(string, int) (source, error), depth int) (source, error) {
	need := func(values ...string) error {
		for _, v := range values {
			if v == "" {
				return fmt.Errorf("the profile %q of mode %s is not whole", name, e.mode)
			}
		}
		return nil
	}
	switch strings.ToLower(e.mode) {
	case "ak", "access_key", "":
		return fixed{id: e.id, secret: e.secret}, need(e.id, e.secret)
	case "ststoken", "sts":
		return fixed{id: e.id, secret: e.secret, token: e.token}, need(e.id, e.secret, e.token)
	case "ramrolearn", "ram_role_arn":
		return &assumed{p: c.p, with: fixed{id: e.id, secret: e.secret, token: e.token}, role: e.role, external: e.external}, need(e.id, e.secret, e.role)
	case "chainableramrolearn":
		if err := need(e.from, e.role); err != nil {
			return nil, err
		}
		if depth >= deep {
			return nil, fmt.Errorf("the profile %q stands on itself", name)
		}
		with, err := other(e.from, depth+1)
		if err != nil {
			return nil, err
		}
		return &assumed{p: c.p, with: keep(with), role: e.role, external: e.external}, nil
	case "ecsramrole", "ecs_ram_role":
		return &instance{http: c.p.http, role: e.ecs}, nil
	case "oidc", "oidc_role_arn":
		return c.oidc(e.role, e.oidcProvider, e.oidcTokenFile), need(e.role, e.oidcProvider, e.oidcTokenFile)
	}
	return nil, fmt.Errorf("the profile %q is of mode %q, which Stint does not know", name, e.mode)
}

func (c *chain) home(parts ...string) string {
	home := c.env("HOME")
	if home == "" {
		home = c.env("USERPROFILE")
	}
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, parts...)...)
}

func (c *chain) cliPath() string { return c.home(".aliyun", "config.json") }

func (c *chain) filePath() string {
	if path := c.env("ALIBABA_CLOUD_CREDENTIALS_FILE"); path != "" {
		return path
	}
	return c.home(".alibabacloud", "credentials")
}

// read gives a file's content; nil when there is none.
func (c *chain) read(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := c.readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func (c *chain) fromCLI() (source, error) {
	if c.env("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") == "true" {
		return nil, nil
	}
	b, err := c.read(c.cliPath())
	if b == nil || err != nil {
		return nil, err
	}
	var file struct {
		Current  string `json:"current"`
		Profiles []struct {
			Name            string `json:"name"`
			Mode            string `json:"mode"`
			AccessKeyID     string `json:"access_key_id"`
			AccessKeySecret string `json:"access_key_secret"`
			StsToken        string `json:"sts_token"`
			RoleArn         string `json:"ram_role_arn"`
			ExternalID      string `json:"external_id"`
			SourceProfile   string `json:"source_profile"`
			EcsRole         string `json:"ram_role_name"`
			OIDCProvider    string `json:"oidc_provider_arn"`
			OIDCTokenFile   string `json:"oidc_token_file"`
		} `json:"profiles"`
	}
	if json.Unmarshal(b, &file) != nil {
		return nil, fmt.Errorf("%s is not the JSON that the CLI writes", c.cliPath())
	}
	name := c.profile
	if name == "" {
		name = c.env("ALIBABA_CLOUD_PROFILE")
	}
	if name == "" {
		name = file.Current
	}
	var find func(string, int) (source, error)
	find = func(name string, depth int) (source, error) {
		for _, f := range file.Profiles {
			if f.Name == name {
				return c.source(entry{
					mode: f.Mode, id: f.AccessKeyID, secret: f.AccessKeySecret, token: f.StsToken, role: f.RoleArn, external: f.ExternalID,
					from: f.SourceProfile, ecs: f.EcsRole, oidcProvider: f.OIDCProvider, oidcTokenFile: f.OIDCTokenFile,
				}, name, find, depth)
			}
		}
		if depth > 0 {
			return nil, fmt.Errorf("there is no profile %q in %s", name, c.cliPath())
		}
		return nil, nil
	}
	return find(name, 0)
}

// fromFile reads the credentials file, of sections with name = value in them.
func (c *chain) fromFile() (source, error) {
	b, err := c.read(c.filePath())
	if b == nil || err != nil {
		return nil, err
	}
	name := c.profile
	if name == "" {
		name = c.env("ALIBABA_CLOUD_PROFILE")
	}
	if name == "" {
		name = "default"
	}
	values, ok := section(string(b), name)
	if !ok {
		return nil, nil
	}
	if e, ok := values["enable"]; ok && strings.EqualFold(e, "false") {
		return nil, nil
	}
	return c.source(entry{
		mode: values["type"], id: values["access_key_id"], secret: values["access_key_secret"], token: values["security_token"],
		role: values["role_arn"], external: values["external_id"], ecs: values["role_name"],
		oidcProvider: values["oidc_provider_arn"], oidcTokenFile: values["oidc_token_file_path"],
	}, name, nil, 0)
}

// section reads one section of an INI file.
func section(text, name string) (map[string]string, bool) {
	values, in, found := map[string]string{}, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			in = strings.TrimSpace(strings.Trim(line, "[]")) == name
			found = found || in
		case in:
			if k, v, ok := strings.Cut(line, "="); ok {
				values[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	return values, found
}

func (c *chain) fromInstance() (source, error) {
	if strings.EqualFold(c.env("ALIBABA_CLOUD_ECS_METADATA_DISABLED"), "true") {
		return nil, nil
	}
	if c.env("ALIBABA_CLOUD_CREDENTIALS_URI") != "" && c.env("ALIBABA_CLOUD_ECS_METADATA") == "" {
		return nil, nil // said outright, where the instance's role is only a guess
	}
	return &instance{http: c.p.http, role: c.env("ALIBABA_CLOUD_ECS_METADATA")}, nil
}

func (c *chain) fromURI() (source, error) {
	uri := c.env("ALIBABA_CLOUD_CREDENTIALS_URI")
	if uri == "" {
		return nil, nil
	}
	return &remote{http: c.p.http, uri: uri}, nil
}
