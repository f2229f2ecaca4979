package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
	wire "github.com/wneessen/go-mail/smtp"

	"github.com/stint-cloud/stint/internal/notice"
)

// explain says what went wrong in one line with a remedy, and without the password.
func (ch *Channel) explain(ctx context.Context, err error) error {
	where := "mail to " + net.JoinHostPort(ch.host, strconv.Itoa(ch.port))
	if !errors.Is(err, notice.ErrPartly) {
		// A connection that ended because of ctx says "use of closed connection"; the reason is the better word.
		var timeout net.Error
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return fmt.Errorf("%s: %w", where, context.Canceled)
		case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("%s: the server did not answer in time; check host and port, and whether this network lets mail out: %w",
				where, context.DeadlineExceeded)
		}
	}
	said := strings.Join(strings.Fields(notice.Scrub(err.Error(), ch.secrets()...)), " ")
	var f *failure
	errors.As(err, &f)
	if errors.Is(err, notice.ErrPartly) {
		said = strings.Join(strings.Fields(notice.Scrub(f.Error(), ch.secrets()...)), " ")
		return fmt.Errorf("%s: %w: %s; correct or remove the address in to", where, notice.ErrPartly, short(said))
	}
	return fmt.Errorf("%s: %s; %s", where, short(said), ch.remedy(f))
}

// remedy says what to do about a failure.
func (ch *Channel) remedy(f *failure) string {
	var answer *textproto.Error
	code := 0
	if errors.As(f, &answer) {
		code = answer.Code
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		notTLS   tls.RecordHeaderError
	)
	switch {
	case errors.As(f, &unknown), errors.As(f, &hostname), errors.As(f, &invalid):
		return "check the server's name and certificate; nothing was sent"
	case errors.As(f, &notTLS):
		return "the server does not begin with TLS on this port: use security starttls (port 587) or another port; nothing was sent"
	case code == 421, code/100 == 4:
		return "the server asks to try later, which is done"
	}
	switch f.step {
	case dialing:
		return "check host and port, and whether this network lets mail out"
	case greeting:
		return ch.greetingRemedy(f, code)
	case sender:
		return fmt.Sprintf("check that this server lets %s send as %s", ch.who(), ch.from.Address)
	case recipients:
		return "correct the addresses in to, or let this server send there"
	}
	return "the server did not take the mail; ask who runs it"
}

func (ch *Channel) greetingRemedy(f *failure, code int) string {
	switch {
	case code == 534, code == 535, code == 530:
		return "check user and password; some services want a password of its own for programs"
	case errors.Is(f, wire.ErrUnencrypted):
		return "a password is not sent over a plain line: use security starttls or tls"
	case errors.Is(f, mail.ErrNoSupportedAuthDiscovered), strings.Contains(f.Error(), "does not support SMTP AUTH"):
		if ch.c.Security == None {
			return "the server takes no password on a plain line: use security starttls or tls, or leave user and password out"
		}
		return "the server offers no log-in that Stint knows: leave user and password out, or use another port"
	case strings.Contains(f.Error(), "STARTTLS"), ch.c.Security == STARTTLS && code/100 == 5:
		return "the server does not encrypt on this port: use security tls (port 465), or none on a network that you trust; nothing was sent"
	}
	return "check host, port and security; nothing was sent"
}

func (ch *Channel) who() string {
	if ch.c.User == "" {
		return "those who do not log in"
	}
	return ch.c.User
}

// short cuts what a server said.
func short(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
