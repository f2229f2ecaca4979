package policy

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

func (r *reader) channel(s spot) {
	before := r.refused()
	c := Channel{Name: s.key.text, Pos: s.key.pos}
	f, ok := s.fields(shapeChannel{}, "smtp, webhook or sns")
	if ok {
		ways, _ := wordsOf(shapeChannel{})
		switch {
		case len(f) > 1:
			r.complain(s.key.pos, s.path, "channel "+quote(c.Name)+" has more than one way", "a channel is one of "+strings.Join(ways, ", ")+"; make two channels")
		case len(f) == 0 && r.refused() == before:
			r.complain(s.key.pos, s.path, "channel "+quote(c.Name)+" has no way", oneOf(ways))
		}
		if v, ok := f["smtp"]; ok {
			c.SMTP = r.smtp(v)
		}
		if v, ok := f["webhook"]; ok {
			c.Webhook = r.webhook(v)
		}
		if v, ok := f["sns"]; ok {
			c.SNS = r.sns(v)
		}
	}
	declare(r, r.channels, s, "channel", c, ok && r.refused() == before)
}

// must gives a field's text, or complains that it is missing.
func (s spot) must(f fields, word, example string) (spot, string, bool) {
	v, there := f[word]
	if !there {
		s.r.complain(s.keyPos(), s.path, s.what()+"has no "+word, example)
		return v, "", false
	}
	text, ok := v.text(example)
	return v, text, ok
}

func (r *reader) smtp(s spot) *SMTP {
	f, ok := s.fields(shapeSMTP{}, "server, from and to")
	if !ok {
		return nil
	}
	m := &SMTP{Security: "starttls"}
	if v, text, ok := s.must(f, "server", "as mail.example.com:587"); ok {
		m.Server = text
		if problem := hostPort(text); problem != "" {
			v.complain(quote(text)+" "+problem, "as mail.example.com:587")
		}
	}
	if v, ok := f["security"]; ok {
		if word, ok := v.text("starttls, tls or none"); ok {
			m.Security = word
			if allowed := []string{"starttls", "tls", "none"}; !contains(allowed, word) {
				v.complain("unknown security "+quote(word), meant(word, allowed))
			}
		}
	}
	if v, ok := f["user"]; ok {
		m.User, _ = v.text("")
	}
	m.Password = f.secret("password")
	_, hasUser := f["user"]
	_, hasPassword := f["password"]
	switch {
	case hasPassword && m.Security == "none":
		r.complain(f["password"].key.pos, f["password"].path, "the password would go over the network unprotected", "security: starttls or tls")
	case hasPassword && !hasUser:
		r.complain(f["password"].key.pos, f["password"].path, "password is nothing without user", "")
	case hasUser && !hasPassword:
		r.complain(f["user"].key.pos, f["user"].path, "user is nothing without password", "")
	}
	if v, text, ok := s.must(f, "from", "as stint@example.com"); ok {
		m.From = text
		v.mailAddress(text)
	}
	if v, there := f["to"]; !there {
		r.complain(s.keyPos(), s.path, s.what()+"has no to", "as [ops@example.com]")
	} else if list, ok := v.texts("as [ops@example.com]"); ok {
		m.To = words(list)
		for _, item := range list {
			item.mailAddress(item.n.text)
		}
	}
	return m
}

// hostPort says what is wrong with host:port.
func hostPort(text string) string {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "has no port"
	}
	host, port := text[:i], text[i+1:]
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return "has no port from 1 to 65535"
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(inner, ":") {
			return "has no host"
		}
		return ""
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`).MatchString(host) {
		return "has no host"
	}
	return ""
}

// mailAddress complains unless the text is name@host, or a name for people with that in angle brackets.
func (s spot) mailAddress(text string) {
	address := text
	if i := strings.IndexByte(text, '<'); i >= 0 && strings.HasSuffix(text, ">") {
		address = text[i+1 : len(text)-1]
	}
	if len(address) > 254 || !regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`).MatchString(address) {
		s.complain(quote(text)+" is no mail address", "as ops@example.com")
	}
}

func (r *reader) webhook(s spot) *Webhook {
	f, ok := s.fields(shapeWebhook{}, "url")
	if !ok {
		return nil
	}
	w := &Webhook{Secret: f.secret("secret")}
	v, there := f["url"]
	if !there {
		r.complain(s.keyPos(), s.path, "webhook has no url", "as https://hooks.example.com/stint")
		return w
	}
	text, ok := v.address("as https://hooks.example.com/stint")
	if !ok {
		return w
	}
	w.URL = text
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
		v.warn("what is sent goes over the network unprotected", "https://")
	}
	return w
}

func (r *reader) sns(s spot) *SNS {
	f, ok := s.fields(shapeSNS{}, "topic and account")
	if !ok {
		return nil
	}
	n := &SNS{}
	if v, text, ok := s.must(f, "topic", "as arn:aws:sns:us-east-1:111122223333:stint"); ok {
		n.Topic = text
		if !regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`).MatchString(text) {
			v.complain(quote(text)+" is no ARN of a topic", "as arn:aws:sns:us-east-1:111122223333:stint")
		}
	}
	if v, text, ok := s.must(f, "account", "the name of an account of aws"); ok {
		n.Account = text
		if known := r.knownAccounts([]spot{v}); len(known) > 0 {
			if c := r.accounts[text].value.Cloud; c != "" && c != "aws" {
				v.complain("account "+quote(text)+" is at "+c+", and topics are at aws", "")
			}
		}
	}
	return n
}
