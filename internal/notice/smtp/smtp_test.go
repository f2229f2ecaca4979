package smtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/notice/smtp"
)

var at = time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)

func digest() notice.Digest {
	return notice.Digest{
		ID: "0123abcd", At: at,
		Failing: []notice.Item{{
			Key: "k", Policy: "nächtlich\r\nBcc: eve@example.com", Title: "snapshot.create is denied\r\nX-Evil: yes",
			Detail: ".\r\nQUIT\r\n" + strings.Repeat("grüße ", 300), Opened: at.Add(-time.Hour),
		}},
	}
}

func channel(t *testing.T, s *server, change func(*smtp.Config)) *smtp.Channel {
	t.Helper()
	c := smtp.Config{
		Name: "mail", Server: s.addr, Roots: s.roots, From: "Stint <stint@example.com>", To: []string{"ops@example.com", "Bob <bob@example.com>"},
	}
	if s.auth != "" {
		c.User, c.Password = user, notice.NewSecret(password)
	}
	if change != nil {
		change(&c)
	}
	ch, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// read takes a mail apart, and checks what every mail of ours has.
func read(t *testing.T, raw string, d notice.Digest) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	words := new(mime.WordDecoder)
	subject, err := words.DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != d.Subject() {
		t.Errorf("Subject %q (%v), want %q", subject, err, d.Subject())
	}
	for header, want := range map[string]string{
		"From": `"Stint" <stint@example.com>`, "To": `<ops@example.com>, "Bob" <bob@example.com>`, "Message-Id": "<stint." + d.ID + "@example.com>",
		"Auto-Submitted": "auto-generated", "Bcc": "", "X-Evil": "", "User-Agent": "stint", "Date": "Mon, 02 Mar 2026 04:00:00 +0000",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %q (%v), want multipart/alternative", kind, err)
	}
	page, err := d.HTML()
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{{"text/plain", d.Text()}, {"text/html", page}} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatalf("part %s: %v", want.kind, err)
		}
		if got := p.Header.Get("Content-Type"); !strings.HasPrefix(got, want.kind) || !strings.Contains(strings.ToLower(got), "utf-8") {
			t.Errorf("part's type %q, want %s in UTF-8", got, want.kind)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
		if got := strings.TrimRight(string(body), "\n"); got != strings.TrimRight(want.text, "\n") {
			t.Errorf("part %s is\n%q\nwant\n%q", want.kind, got, want.text)
		}
	}
}

func TestDelivered(t *testing.T) {
	for _, c := range []struct {
		name   string
		server *server
		change func(*smtp.Config)
		want   []string // lines that were said
	}{
		{"starttls and PLAIN", &server{auth: "PLAIN LOGIN"}, nil, []string{"STARTTLS", "TLS AUTH PLAIN"}},
		{"starttls and LOGIN", &server{auth: "LOGIN"}, nil, []string{"STARTTLS", "TLS AUTH LOGIN"}},
		{"starttls and CRAM-MD5", &server{auth: "LOGIN CRAM-MD5 PLAIN"}, nil, []string{"TLS AUTH CRAM-MD5"}},
		{"starttls without log-in", &server{}, nil, []string{"STARTTLS", "TLS MAIL"}},
		{"tls and PLAIN", &server{implicit: true, auth: "PLAIN"}, func(c *smtp.Config) { c.Security = smtp.TLS }, []string{"TLS AUTH PLAIN", "TLS MAIL"}},
		{"tls and LOGIN", &server{implicit: true, auth: "LOGIN"}, func(c *smtp.Config) { c.Security = smtp.TLS }, []string{"TLS AUTH LOGIN"}},
		{"none", &server{noTLS: true}, func(c *smtp.Config) { c.Security = smtp.None }, []string{"MAIL"}},
		{"none though offered", &server{}, func(c *smtp.Config) { c.Security = smtp.None }, []string{"MAIL"}},
		{"none and CRAM-MD5", &server{noTLS: true, auth: "CRAM-MD5", plain: true}, func(c *smtp.Config) { c.Security = smtp.None }, []string{"AUTH CRAM-MD5", "MAIL"}},
		{"the good-bye fails", &server{cut: "QUIT"}, nil, []string{"TLS QUIT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server.start(t)
			if err := channel(t, s, c.change).Send(t.Context(), digest()); err != nil {
				t.Fatalf("Send: %v\n%s", err, strings.Join(s.heard(), "\n"))
			}
			mails, to := s.taken()
			if len(mails) != 1 || !slices.Equal(to, []string{"<ops@example.com>", "<bob@example.com>"}) {
				t.Fatalf("%d mails to %q, want one to both", len(mails), to)
			}
			read(t, mails[0], digest())
			for _, want := range c.want {
				if !slices.ContainsFunc(s.heard(), func(l string) bool { return strings.HasPrefix(l, want) }) {
					t.Errorf("the server heard\n%s\nwant a line %q", strings.Join(s.heard(), "\n"), want)
				}
			}
			if n := slices.IndexFunc(s.heard(), func(l string) bool { return strings.Contains(l, "SMTPUTF8") }); n >= 0 {
				t.Errorf("SMTPUTF8 was asked for though all addresses are ASCII: %s", s.heard()[n])
			}
		})
	}
}

func TestRefused(t *testing.T) {
	type answers = map[string]string
	for _, c := range []struct {
		name   string
		server *server
		change func(*smtp.Config)
		want   []string // in the error
		quiet  bool     // neither password nor mail may have been on the line
	}{
		{"no STARTTLS", &server{noTLS: true, auth: "PLAIN", plain: true}, nil, []string{"does not encrypt on this port", "nothing was sent"}, true},
		{"STARTTLS refused", &server{auth: "PLAIN", plain: true, answers: answers{"STARTTLS": "502 5.5.1 no"}}, nil, []string{"502", "does not encrypt"}, true},
		{"STARTTLS not now", &server{auth: "PLAIN", plain: true, answers: answers{"STARTTLS": "454 4.7.0 later"}}, nil, []string{"454", "try later"}, true},
		{"unknown authority", &server{auth: "PLAIN"}, func(c *smtp.Config) { c.Roots = nil }, []string{"certificate", "nothing was sent"}, true},
		{"unknown authority with tls", &server{implicit: true}, func(c *smtp.Config) { c.Roots, c.Security = nil, smtp.TLS }, []string{"certificate", "nothing was sent"}, true},
		{"tls on a plain port", &server{}, func(c *smtp.Config) { c.Security = smtp.TLS }, []string{"does not begin with TLS", "nothing was sent"}, true},
		{"wrong password", &server{auth: "PLAIN"}, func(c *smtp.Config) { c.Password = notice.NewSecret(`wr0"ng\`) }, []string{"535", "check user and password"}, false},
		{"wrong password with LOGIN", &server{auth: "LOGIN"}, func(c *smtp.Config) { c.Password = notice.NewSecret(`wr0"ng\`) }, []string{"535", "check user and password"}, false},
		{"no log-in offered", &server{}, func(c *smtp.Config) { c.User, c.Password = user, notice.NewSecret(password) }, []string{"leave user and password out"}, false},
		{"unknown log-in", &server{auth: "GSSAPI"}, nil, []string{"no log-in that Stint knows"}, false},
		{"log-in required", &server{answers: answers{"MAIL": "530 5.7.0 authenticate first"}}, nil, []string{"530", "stint@example.com"}, false},
		{"sender refused", &server{answers: answers{"MAIL": "550 5.7.1 not you"}}, nil, []string{"550", "send as stint@example.com"}, false},
		{"all recipients refused", &server{answers: answers{"RCPT": "550 5.1.1 who?"}}, nil, []string{"ops@example.com: 550", "bob@example.com: 550", "correct the addresses"}, false},
		{"greylisted", &server{answers: answers{"RCPT": "451 4.7.1 come back"}}, nil, []string{"451", "try later"}, false},
		{"mail not started", &server{answers: answers{"DATA": "554 5.5.1 no"}}, nil, []string{"554", "did not take the mail"}, false},
		{"mail refused", &server{answers: answers{"END": "554 5.7.1 spam"}}, nil, []string{"554", "did not take the mail"}, false},
		{"disk full", &server{answers: answers{"END": "452 4.3.1 full"}}, nil, []string{"452", "try later"}, false},
		{"shut down", &server{answers: answers{"MAIL": "421 4.3.2 closing"}}, nil, []string{"421", "try later"}, false},
		{"cut at once", &server{cut: "connect"}, nil, []string{"check host, port and security"}, true},
		{"cut at log-in", &server{auth: "PLAIN", cut: "AUTH"}, nil, []string{"EOF"}, false},
		{"cut at a recipient", &server{cut: "RCPT"}, nil, []string{"EOF"}, false},
		{"cut after the mail", &server{cut: "END"}, nil, []string{"EOF"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server.start(t)
			err := channel(t, s, c.change).Send(t.Context(), digest())
			clean(t, err, "mail to "+s.addr, c.want...)
			if errors.Is(err, notice.ErrPartly) {
				t.Errorf("Send: %v is ErrPartly, though nobody got the mail", err)
			}
			if mails, _ := s.taken(); len(mails) > 0 {
				t.Errorf("the server took %d mails, want none", len(mails))
			}
			for _, line := range s.heard() {
				if c.quiet && (strings.Contains(line, "AUTH") || strings.Contains(line, "MAIL")) {
					t.Errorf("said %q on a line that is not safe", line)
				}
			}
		})
	}
}

// clean checks that an error is one line that says where and what, without the password in any form.
func clean(t *testing.T, err error, where string, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("Send: no error, want %q", want)
	}
	for _, w := range append(want, where) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("Send: %v\nwant in it %q", err, w)
		}
	}
	for _, secret := range []string{password, "wr0ng", "wr0", "aHVudGVyMi3DvA==", "AGFubgBodW50ZXIyLcO8", "AGFubgB3cjAi", "d3IwIm5n", "\n", "\r"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("Send: %v\nholds %q", err, secret)
		}
	}
}

func TestOneRecipientRefused(t *testing.T) {
	for _, answer := range []string{"550 5.1.1 no such user", "452 4.2.2 mailbox full"} {
		s := (&server{answers: map[string]string{"RCPT TO:<bob@": answer}}).start(t)
		err := channel(t, s, nil).Send(t.Context(), digest())
		clean(t, err, "mail to "+s.addr, "bob@example.com: "+answer[:3], "correct or remove the address")
		if !errors.Is(err, notice.ErrPartly) {
			t.Errorf("Send when one of two is refused: %v, want ErrPartly", err)
		}
		if mails, to := s.taken(); len(mails) != 1 || !slices.Equal(to, []string{"<ops@example.com>"}) {
			t.Errorf("%d mails to %q, want one to the other", len(mails), to)
		}
	}
}

func TestSlowServer(t *testing.T) {
	for _, hang := range []string{"connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "END"} {
		s := (&server{auth: "PLAIN", hang: hang}).start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		err := channel(t, s, nil).Send(ctx, digest())
		cancel()
		clean(t, err, "mail to "+s.addr, "did not answer in time")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send to a server that hangs at %s: %v, want context.DeadlineExceeded", hang, err)
		}
	}
	s := (&server{hang: "MAIL"}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := channel(t, s, nil).Send(ctx, digest()); !errors.Is(err, context.Canceled) {
		t.Errorf("Send that is cancelled: %v, want context.Canceled", err)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	err = channel(t, &server{addr: addr}, nil).Send(t.Context(), digest())
	clean(t, err, "mail to "+addr, "connection refused", "check host and port")
}

func TestNewRefuses(t *testing.T) {
	good := smtp.Config{Name: "mail", Server: "smtp.example.com", From: "stint@example.com", To: []string{"ops@example.com"}}
	if _, err := smtp.New(good); err != nil {
		t.Fatalf("New(%+v): %v", good, err)
	}
	for _, c := range []struct {
		change func(*smtp.Config)
		want   string
	}{
		{func(c *smtp.Config) { c.Server = "" }, "write host:port"},
		{func(c *smtp.Config) { c.Server = "smtp.example.com:mail" }, "write host:port"},
		{func(c *smtp.Config) { c.Server = "ann@smtp.example.com:25" }, "write host:port"},
		{func(c *smtp.Config) { c.Security = "ssl" }, "write starttls, tls or none"},
		{func(c *smtp.Config) { c.From = "stint" }, "no mail address"},
		{func(c *smtp.Config) { c.From = "stint@example.com\r\nBcc: eve@example.com" }, "no mail address"},
		{func(c *smtp.Config) { c.To = nil }, "to is empty"},
		{func(c *smtp.Config) { c.To = []string{"a@example.com", "a@example.com, b@example.com"} }, "no mail address"},
		{func(c *smtp.Config) { c.Password = notice.NewSecret("x") }, "name the user"},
	} {
		bad := good
		c.change(&bad)
		if _, err := smtp.New(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%+v): %v, want %q", bad, err, c.want)
		}
	}
	_, err := smtp.New(smtp.Config{Name: "mail"})
	for _, want := range []string{"server", "from", "to is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New without anything: %v, want every complaint, also %q", err, want)
		}
	}
}
