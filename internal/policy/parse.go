package policy

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Options are what the reading of policies depends on besides the files.
type Options struct {
	// Clouds are the words that accounts may name their cloud by. Empty means DefaultClouds.
	Clouds []string
}

// DefaultClouds are the clouds that this version speaks to.
func DefaultClouds() []string { return []string{"alibaba", "aws", "openstack", "tencent"} }

// Parse reads policy files into rules. Several files, and several documents in one file, add up. Complaints come all at
// once, in order of position, each once; the rules hold only what is right, and when any complaint is more than a warning
// (Refused) the rules must not be acted upon, since something that was meant to be covered may be missing.
func Parse(files []File) (Rules, []Complaint) { return ParseWith(Options{}, files) }

// ParseWith is Parse with options.
func ParseWith(opt Options, files []File) (Rules, []Complaint) {
	if len(opt.Clouds) == 0 {
		opt.Clouds = DefaultClouds()
	}
	r := &reader{
		opt: opt, zones: map[string]zoneAnswer{},
		accounts: map[string]declared[Account]{}, policies: map[string]declared[Policy]{}, channels: map[string]declared[Channel]{},
	}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	if len(files) == 0 {
		r.complain(Position{}, "", "there is no policy file", "")
	}
	var policies, channels []spot
	said := false
	for _, f := range files {
		roots := r.file(f)
		for _, root := range roots {
			top, ok := spot{r: r, n: root}.fields(shapeFile{}, "accounts:, policies: and notify:")
			if !ok {
				continue
			}
			said = said || len(top) > 0
			r.eachNamed(top, "accounts", "account", func(s spot) { r.account(s) })
			if s, ok := top["policies"]; ok {
				policies = append(policies, s)
			}
			if s, ok := top["notify"]; ok {
				channels = append(channels, s)
			}
		}
	}
	// Accounts are all known by now, wherever they stand.
	for _, s := range policies {
		r.eachNamed(fields{"policies": s}, "policies", "policy", func(s spot) { r.policy(s) })
	}
	for _, s := range channels {
		r.eachNamed(fields{"notify": s}, "notify", "channel", func(s spot) { r.channel(s) })
	}
	if !said && len(files) > 0 && r.refused() == 0 {
		r.complain(newSource(files[0]).at(1, 1), "", "neither an account nor a policy is said in any file", "")
	}
	return Rules{Accounts: right(r.accounts), Policies: right(r.policies), Notify: right(r.channels)}, sorted(r.complaints)
}

// right are the values without a complaint, by name.
func right[T any](m map[string]declared[T]) []T {
	out := make([]T, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name].good {
			out = append(out, m[name].value)
		}
	}
	return out
}

// file reads one file into its documents.
func (r *reader) file(f File) []*node {
	if len(f.Data) > MaxFileSize {
		r.unread = true
		r.complain(Position{File: f.Name, Line: 1, Column: 1}, "", "is "+strconv.Itoa(len(f.Data))+" bytes long, and "+strconv.Itoa(MaxFileSize)+" is the most", "split it: several files add up")
		return nil
	}
	src := newSource(f)
	if pos, problem, bad := src.badText(); bad {
		r.unread = true
		r.complain(pos, "", problem, "save the file as UTF-8")
		return nil
	}
	before := len(r.complaints)
	roots, ok := r.guarded(src)
	r.unread = r.unread || !ok
	if len(roots) == 0 && len(r.complaints) == before {
		r.warn(src.at(1, 1), "", "the file is empty", "")
	}
	return slices.DeleteFunc(roots, func(n *node) bool { return n.kind == kindNull })
}

// guarded is trees, for a YAML reader that may panic on what nobody has tried yet.
func (r *reader) guarded(src *source) (roots []*node, ok bool) {
	defer func() {
		if recover() != nil {
			r.complain(src.at(1, 1), "", "is not YAML that can be read", "")
			roots, ok = nil, false
		}
	}()
	return r.trees(src)
}

func namePattern() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`) }

// eachNamed reads a mapping of names, and leaves out what has no right name.
func (r *reader) eachNamed(top fields, word, what string, read func(spot)) {
	s, ok := top[word]
	if !ok {
		return
	}
	pairs, ok := s.pairs("the names of what it holds, each with a colon")
	if !ok {
		return
	}
	if len(pairs) == 0 {
		s.warn(word+" is empty", "")
	}
	pattern := namePattern()
	for _, p := range pairs {
		name := p.key.text
		switch {
		case !pattern.MatchString(name):
			hint := "a name is 1-40 lower-case letters, digits and dashes, and starts with a letter or digit"
			if fixed := fixedName(name); fixed != name && pattern.MatchString(fixed) {
				hint = "did you mean " + quote(fixed) + "?"
			}
			r.complain(p.key.pos, p.path, quote(name)+" is no name for "+article(what), hint)
		case p.key.plain() && looksOther(name) == "yes or no":
			r.complain(p.key.pos, p.path, quote(name)+" without quotes is yes or no to YAML, and a name is wanted", `write "`+name+`"`)
		default:
			read(p)
		}
	}
}

func article(what string) string {
	if what == "account" {
		return "an account"
	}
	return "a " + what
}

// fixedName is the name that was probably meant.
func fixedName(name string) string {
	lower := strings.ToLower(strings.TrimSpace(name))
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, lower), "-")
}

// declare keeps what a name stands for, unless the name is taken already.
func declare[T any](r *reader, m map[string]declared[T], s spot, what string, value T, good bool) {
	name := s.key.text
	if first, taken := m[name]; taken {
		r.complain(s.key.pos, s.path, what+" "+quote(name)+" is there twice", "first at "+first.pos.String())
		return
	}
	m[name] = declared[T]{value: value, pos: s.key.pos, good: good}
}

func (r *reader) account(s spot) {
	before := r.refused()
	a := Account{Name: s.key.text, Pos: s.key.pos}
	f, ok := s.fields(shapeAccount{}, "cloud: aws")
	if ok {
		r.accountFields(&a, s, f)
	}
	declare(r, r.accounts, s, "account", a, ok && r.refused() == before)
}

func (r *reader) accountFields(a *Account, s spot, f fields) {
	if c, ok := f["cloud"]; !ok {
		r.complain(s.key.pos, s.path, "account "+quote(a.Name)+" has no cloud", oneOf(r.opt.Clouds))
	} else if word, ok := c.text(oneOf(r.opt.Clouds)); ok {
		if contains(r.opt.Clouds, word) {
			a.Cloud = word
		} else {
			c.complain("unknown cloud "+quote(word), meant(word, r.opt.Clouds))
		}
	}
	if c, ok := f["regions"]; ok {
		if list, ok := c.texts("as [us-east-1]"); ok {
			a.Regions = words(list)
			for _, item := range list {
				if strings.ContainsAny(item.n.text, " \t/*") {
					item.complain(quote(item.n.text)+" is no region", "")
				}
			}
		}
	}
	if c, ok := f["endpoint"]; ok {
		if text, ok := c.address("as https://cloud.example.com:5000/v3"); ok {
			a.Endpoint = text
		}
	}
	if c, ok := f["credentials"]; ok {
		a.Credentials = r.credentials(c, a.Cloud)
	}
	if c, ok := f["pace"]; ok {
		if pf, ok := c.fields(shapePace{}, "reads: 20"); ok {
			a.Pace.Reads = pf.rate("reads")
			a.Pace.Writes = pf.rate("writes")
		}
	}
}

// rate reads calls per second.
func (f fields) rate(word string) float64 {
	s, ok := f[word]
	if !ok || !s.wanted(kindText, "calls per second, as 20 or 0.5") {
		return 0
	}
	v, err := strconv.ParseFloat(s.n.text, 64)
	switch {
	case err != nil || !s.n.plain() || looksOther(s.n.text) != "a number":
		s.complain(word+" wants calls per second, not "+quote(s.n.text), "as 20 or 0.5")
	case !(v > 0 && v <= 1000):
		s.complain(s.n.text+" calls per second are not more than 0 and at most 1000", "")
	default:
		return v
	}
	return 0
}

// address reads an http or https URL. It never shows the text, which may hold a secret.
func (s spot) address(example string) (string, bool) {
	text, ok := s.text(example)
	if !ok {
		return "", false
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		s.complain(s.what()+"wants a URL that starts with https://", example)
	case u.User != nil:
		s.complain(s.what()+"has a user or password in its URL", "secrets stay out of policies: say where they are with env:NAME or file:PATH")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " _,;") || u.Fragment != "":
		s.complain(s.what()+"has a URL whose host cannot be one, or that has a #", "")
	default:
		return text, true
	}
	return "", false
}

func (r *reader) credentials(s spot, cloud string) Credentials {
	var c Credentials
	f, ok := s.fields(shapeCredentials{}, "as { profile: NAME }")
	if !ok {
		return c
	}
	if len(f) == 0 && len(s.n.entries) == 0 {
		s.complain("credentials is empty", "leave it out for the cloud's own chain")
		return c
	}
	text := func(word string, to *string) {
		if v, ok := f[word]; ok {
			*to, _ = v.text("")
		}
	}
	text("profile", &c.Profile)
	text("assume-role", &c.AssumeRole)
	text("external-id", &c.ExternalID)
	text("clouds-yaml", &c.CloudsYAML)
	c.AccessKey, c.SecretKey, c.Token = f.secret("access-key"), f.secret("secret-key"), f.secret("token")
	r.credentialRules(s, f, c, cloud)
	return c
}

// credentialRules are what the words of credentials ask of each other.
func (r *reader) credentialRules(s spot, f fields, c Credentials, cloud string) {
	keys := []string{"profile", "assume-role", "external-id", "access-key", "secret-key", "token"}
	of := map[string][]string{
		"alibaba":   keys,
		"aws":       keys,
		"openstack": {"clouds-yaml"},
		"tencent":   keys,
	}
	if allowed, known := of[cloud]; known {
		for _, word := range slices.Sorted(maps.Keys(f)) {
			if !contains(allowed, word) {
				r.complain(f[word].key.pos, f[word].path, "an account of "+cloud+" has no "+word, oneOf(allowed))
			}
		}
	}
	role, example := `^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`, "as arn:aws:iam::111122223333:role/stint"
	switch cloud {
	case "alibaba":
		role, example = `^acs:ram::\d+:role/[\w.@-]+$`, "as acs:ram::1111222233334444:role/stint"
	case "tencent":
		role, example = `^qcs::cam::uin/\d+:roleName/[\w+=,.@-]+$`, "as qcs::cam::uin/100000000001:roleName/stint"
	}
	if c.AssumeRole != "" && !regexp.MustCompile(role).MatchString(c.AssumeRole) {
		f["assume-role"].complain(quote(c.AssumeRole)+" is no ARN of a role", example)
	}
	needs := func(word, other string) {
		if _, there := f[word]; !there {
			return
		}
		if _, there := f[other]; !there {
			r.complain(f[word].key.pos, f[word].path, word+" is nothing without "+other, "")
		}
	}
	needs("external-id", "assume-role")
	needs("access-key", "secret-key")
	needs("secret-key", "access-key")
	needs("token", "secret-key")
	if _, there := f["profile"]; there {
		if _, both := f["access-key"]; both {
			s.complain("credentials come from a profile or from keys, not from both", "leave one out")
		}
	}
}

// secret reads env:NAME or file:PATH. Whatever stands there instead is never shown.
func (f fields) secret(word string) SecretRef {
	const hint = "say where it is: env:NAME or file:PATH"
	s, ok := f[word]
	if !ok || !s.wanted(kindText, hint) {
		return ""
	}
	text := strings.TrimSpace(s.n.text)
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`).MatchString(name) {
			return SecretRef(text)
		}
		s.complain("after env: the name of an environment variable is wanted", "letters, digits and _, without $")
		return ""
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		if strings.TrimSpace(path) != "" && !strings.ContainsFunc(path, func(c rune) bool { return c < ' ' }) {
			return SecretRef(text)
		}
		s.complain("after file: the path of a file is wanted", "")
		return ""
	}
	s.complain(word+" stands in the policy itself, where secrets must not be", hint)
	return ""
}
