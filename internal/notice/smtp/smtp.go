// Package smtp tells people by mail. It is the only code that speaks SMTP.
//
// It promises that with starttls or tls nothing, neither password nor mail, crosses the line before the server has
// shown a certificate that is valid for its name, and that it never falls back to less; that an address which the
// server refuses keeps the mail from nobody else; and that errors are one line with a remedy and never hold the
// password, even if the server repeats it. It refuses to send a password over a plain connection to another machine,
// and to let any text of a digest become a header.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	wire "github.com/wneessen/go-mail/smtp"

	"github.com/stint-cloud/stint/internal/notice"
)

// How the connection is secured, in the words of the policies.
const (
	STARTTLS = "starttls" // plain first, encrypted before anything that matters; the default, port 587
	TLS      = "tls"      // encrypted from the first byte; port 465
	None     = "none"     // plain; port 25
)

const maxTime = time.Minute // for one mail, if the caller gives no deadline

// Config is what mail needs. Name, Server, From and To are required.
type Config struct {
	Name     string
	Server   string // host, or host:port
	Security string // STARTTLS when empty
	User     string // none: no log-in
	Password notice.Secret
	From     string   // address, or Name <address>
	To       []string // alike
	// Roots are the authorities that may vouch for the server; nil for those of this machine.
	Roots *x509.CertPool
}

// Channel sends digests to a fixed list of people.
type Channel struct {
	c    Config
	host string
	port int
	from *netmail.Address
	to   []*netmail.Address
}

var _ notice.Channel = (*Channel)(nil)

// New checks the configuration, with every complaint at once, and makes the channel. It connects to nothing.
func New(c Config) (*Channel, error) {
	ch := &Channel{c: c}
	var errs []error
	complain := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("mail "+c.Name+": "+format, args...))
	}
	if ch.c.Security == "" {
		ch.c.Security = STARTTLS
	}
	ports := map[string]int{STARTTLS: 587, TLS: 465, None: 25}
	port, known := ports[ch.c.Security]
	if !known {
		complain("security is %q; write starttls, tls or none", c.Security)
	}
	host, portText, err := net.SplitHostPort(c.Server)
	if err != nil {
		host, portText = strings.Trim(c.Server, "[]"), strconv.Itoa(port)
	}
	ch.host = host
	if ch.port, err = strconv.Atoi(portText); err != nil || host == "" || ch.port < 0 || ch.port > 65535 || strings.ContainsAny(host, " /@\r\n") {
		complain("server is %q; write host:port, as smtp.example.com:587", c.Server)
	}
	if ch.from, err = address(c.From); err != nil {
		complain("from: %w", err)
	}
	if len(c.To) == 0 {
		complain("to is empty; name at least one address")
	}
	for _, text := range c.To {
		a, err := address(text)
		if err != nil {
			complain("to: %w", err)
		}
		ch.to = append(ch.to, a)
	}
	if c.User == "" && c.Password.Reveal() != "" {
		complain("there is a password but no user; name the user")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return ch, nil
}

func address(text string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil || strings.ContainsAny(text, "\r\n\x00") {
		return nil, fmt.Errorf("%q is no mail address; write ann@example.com or Ann <ann@example.com>", text)
	}
	return a, nil
}

// Name is the channel's name in the policies.
func (ch *Channel) Name() string { return ch.c.Name }

// Send hands the mail to the server, once for all. When the server refuses some of the addresses, the others get it,
// and the error is ErrPartly.
func (ch *Channel) Send(ctx context.Context, d notice.Digest) error {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	msg, err := ch.message(d)
	if err != nil {
		return err
	}
	if err := ch.send(ctx, msg); err != nil {
		return ch.explain(ctx, err)
	}
	return nil
}

// message builds the mail. Its id is the digest's, so that a mail that comes twice is seen to be the same.
func (ch *Channel) message(d notice.Digest) (*mail.Msg, error) {
	page, err := d.HTML()
	if err != nil {
		return nil, err
	}
	m := mail.NewMsg()
	m.FromMailAddress(ch.from)
	m.ToMailAddress(ch.to...)
	m.Subject(d.Subject())
	m.SetDateWithValue(d.At)
	domain := ch.from.Address[strings.LastIndexByte(ch.from.Address, '@')+1:]
	m.SetMessageIDWithValue("stint." + d.ID + "@" + domain)
	m.SetUserAgent("stint")
	m.SetGenHeader("Auto-Submitted", "auto-generated") // no answers from those who are on holiday
	m.SetBodyString(mail.TypeTextPlain, d.Text())
	m.AddAlternativeString(mail.TypeTextHTML, page)
	return m, nil
}

// failure is what went wrong at one step of the conversation.
type failure struct {
	step step
	err  error
}

type step int

const (
	dialing step = iota + 1
	greeting
	sender
	recipients
	content
)

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// send holds one conversation with the server, until ctx ends.
func (ch *Channel) send(ctx context.Context, msg *mail.Msg) error {
	var line net.Conn
	client, err := ch.client(ctx, func(conn net.Conn) { line = conn })
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if line == nil {
		return &failure{dialing, err}
	}
	// The library closes the connection only when all went well.
	defer line.Close()
	if err != nil {
		return &failure{greeting, err}
	}

	from, err := msg.GetSender(false)
	if err != nil {
		return &failure{sender, err}
	}
	if err := session.Mail(from); err != nil {
		return &failure{sender, err}
	}
	refused, err := ch.offer(session)
	if err != nil {
		return err
	}
	w, err := session.Data()
	if err != nil {
		return &failure{content, err}
	}
	if _, err := msg.WriteTo(w); err != nil {
		return &failure{content, err}
	}
	if err := w.Close(); err != nil {
		return &failure{content, err}
	}
	_ = session.Quit() // the server has taken the mail: how it says good-bye changes nothing
	if len(refused) > 0 {
		return fmt.Errorf("%w: %w", notice.ErrPartly, &failure{recipients, errors.Join(refused...)})
	}
	return nil
}

// offer names the recipients. An error means that none is left, or that the connection broke.
func (ch *Channel) offer(session *wire.Client) (refused []error, err error) {
	for _, a := range ch.to {
		bare := netmail.Address{Address: a.Address}
		err := session.Rcpt(bare.String())
		var answer *textproto.Error
		switch {
		case err == nil:
		case errors.As(err, &answer):
			refused = append(refused, fmt.Errorf("%s: %w", a.Address, answer))
		default:
			return nil, &failure{recipients, err}
		}
	}
	if len(refused) == len(ch.to) {
		return nil, &failure{recipients, errors.Join(refused...)}
	}
	return refused, nil
}

// client makes the library's client for one mail. Its connection ends with ctx, whatever the server does; opened is
// called with it as soon as it stands.
func (ch *Channel) client(ctx context.Context, opened func(net.Conn)) (*mail.Client, error) {
	config := &tls.Config{ServerName: ch.host, RootCAs: ch.c.Roots, MinVersion: tls.VersionTLS12}
	dial := func(dialCtx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(dialCtx, network, addr)
		if err != nil {
			return nil, err
		}
		opened(conn)
		context.AfterFunc(ctx, func() { conn.Close() })
		if ch.c.Security != TLS {
			return conn, nil
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(dialCtx); err != nil {
			return nil, err
		}
		return secure, nil
	}
	left := maxTime
	if end, ok := ctx.Deadline(); ok {
		left = max(time.Until(end), time.Millisecond)
	}
	options := []mail.Option{
		mail.WithPort(ch.port), mail.WithTimeout(left), mail.WithDialContextFunc(dial), mail.WithTLSConfig(config),
		mail.WithTLSPolicy(mail.NoTLS),
	}
	if ch.c.Security == STARTTLS {
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if ch.ascii() {
		options = append(options, mail.WithoutSMTPUTF8()) // a relay behind the server may lack it
	}
	if ch.c.User != "" {
		// The library does not know that a connection of ours is encrypted, so the order is ours too; it still refuses
		// PLAIN and LOGIN on a plain line to another machine.
		options = append(options, mail.WithUsername(ch.c.User), mail.WithPassword(ch.c.Password.Reveal()),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5,
				mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	client, err := mail.NewClient(ch.host, options...)
	if err != nil {
		return nil, &failure{dialing, err}
	}
	return client, nil
}

func (ch *Channel) ascii() bool {
	all := ch.from.Address
	for _, a := range ch.to {
		all += a.Address
	}
	return strings.IndexFunc(all, func(r rune) bool { return r > 127 }) < 0
}

// secrets are the forms in which the password can be in an answer.
func (ch *Channel) secrets() []string {
	password := ch.c.Password.Reveal()
	if password == "" {
		return nil
	}
	b64 := base64.StdEncoding.EncodeToString
	quoted := strconv.Quote(password) // the library quotes some answers
	return []string{b64([]byte("\x00" + ch.c.User + "\x00" + password)), b64([]byte(password)), password, quoted[1 : len(quoted)-1]}
}
