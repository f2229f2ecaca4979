package smtp_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/notice/smtp"
)

// TestOnMailServer asks of a real mail server (test/mail) what the other tests ask of the double.
func TestOnMailServer(t *testing.T) {
	if os.Getenv("STINT_SMTP") == "" {
		t.Skip("no mail server: run test/mail/up and set STINT_SMTP=1")
	}
	dir := cmp.Or(os.Getenv("MAIL_DIR"), filepath.Join(os.TempDir(), "stint-mail"))
	host := cmp.Or(os.Getenv("MAIL_HOST"), "127.0.0.1")
	starttls := net.JoinHostPort(host, cmp.Or(os.Getenv("MAIL_STARTTLS_PORT"), "2587"))
	implicit := net.JoinHostPort(host, cmp.Or(os.Getenv("MAIL_TLS_PORT"), "2465"))
	const right = "mail-server-password"
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s/ca.pem", dir)
	}
	base := smtp.Config{
		Name: "mail", Server: starttls, User: "ann", Password: notice.NewSecret(right), Roots: roots,
		From: "Stint <stint@example.com>", To: []string{"ops@example.com", "Bob <bob@example.com>"},
	}

	for _, c := range []struct {
		name   string
		change func(*smtp.Config)
		partly bool
		want   []string // in the error; empty: delivered
	}{
		{name: "starttls"},
		{name: "tls", change: func(c *smtp.Config) { c.Server, c.Security = implicit, smtp.TLS }},
		{name: "one refused", change: func(c *smtp.Config) { c.To = append(c.To[:1:1], "nobody@example.com") }, partly: true, want: []string{"nobody@example.com: 550"}},
		{name: "all refused", change: func(c *smtp.Config) { c.To = []string{"nobody@example.com"} }, want: []string{"nobody@example.com: 550", "correct the addresses"}},
		{name: "wrong password", change: func(c *smtp.Config) { c.Password = notice.NewSecret("wrong-one") }, want: []string{"535", "check user and password"}},
		{name: "wrong password with tls", change: func(c *smtp.Config) {
			c.Server, c.Security, c.Password = implicit, smtp.TLS, notice.NewSecret("wrong-one")
		}, want: []string{"535", "check user and password"}},
		{name: "no log-in", change: func(c *smtp.Config) { c.User, c.Password = "", notice.Secret{} }, want: []string{"530", "lets those who do not log in send"}},
		{name: "plain where STARTTLS is a must", change: func(c *smtp.Config) { c.Security, c.User, c.Password = smtp.None, "", notice.Secret{} }, want: []string{"530"}},
		{name: "unknown authority", change: func(c *smtp.Config) { c.Roots = nil }, want: []string{"certificate", "nothing was sent"}},
		{name: "starttls on the port for tls", change: func(c *smtp.Config) { c.Server = implicit }, want: []string{"did not answer in time"}},
		{name: "tls on the port for starttls", change: func(c *smtp.Config) { c.Security = smtp.TLS }, want: []string{"does not begin with TLS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := base
			if c.change != nil {
				c.change(&config)
			}
			ch, err := smtp.New(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			d := digest()
			d.ID = strings.ToLower(rand.Text())
			err = ch.Send(ctx, d)
			if len(c.want) == 0 && err != nil {
				t.Fatalf("Send: %v", err)
			}
			if len(c.want) > 0 {
				clean(t, err, "mail to "+config.Server, c.want...)
				for _, secret := range []string{right, "wrong-one"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("Send: %v\nholds %q", err, secret)
					}
				}
			}
			if errors.Is(err, notice.ErrPartly) != c.partly {
				t.Errorf("Send: %v; is ErrPartly %v, want %v", err, !c.partly, c.partly)
			}
			mails := delivered(t, dir, d.ID)
			if want := err == nil || c.partly; want != (len(mails) == 1) {
				t.Fatalf("the maildir has %d mails with id %s, want one: %v", len(mails), d.ID, want)
			}
			if err == nil {
				read(t, mails[0], d)
			}
		})
	}
}

// delivered gives the mails in the maildir that have the digest's id.
func delivered(t *testing.T, dir, id string) (mails []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "maildir", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "<stint."+id+"@example.com>") {
			mails = append(mails, string(raw))
		}
	}
	return mails
}
