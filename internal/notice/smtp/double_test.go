package smtp_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small SMTP server in this process. Its behaviour is believed only as far as a client that we did not
// write (go-mail) agrees with it, and TestOnMailServer asks the same of a real one.
type server struct {
	t        *testing.T
	addr     string
	roots    *x509.CertPool
	config   *tls.Config
	implicit bool
	noTLS    bool              // does not offer STARTTLS
	auth     string            // mechanisms offered ("PLAIN LOGIN"); empty: none
	plain    bool              // offers them on a plain line too
	answers  map[string]string // answer to a line that begins with the key, instead of the usual one
	cut      string            // hangs up at a line that begins with this
	hang     string            // says nothing more from a line on that begins with this

	mu    sync.Mutex
	lines []string // what clients said, with "TLS " in front when it was encrypted
	mails []string
	to    []string
	wg    sync.WaitGroup
	done  chan struct{}
}

const user, password = "ann", "hunter2-\u00fc"

func (s *server) start(t *testing.T) *server {
	t.Helper()
	s.t, s.done = t, make(chan struct{})
	s.config, s.roots = certificate(t, "127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { close(s.done); l.Close(); s.wg.Wait() })
	return s
}

// certificate makes an authority and a server certificate of it for an address.
func certificate(t *testing.T, ip string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.ParseIP(ip)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// conversation is one connection.
type conversation struct {
	*server
	conn      net.Conn
	r         *bufio.Reader
	encrypted bool
}

func (s *server) serve(raw net.Conn) {
	defer raw.Close()
	stop := make(chan struct{})
	defer close(stop)
	s.wg.Go(func() {
		select {
		case <-s.done:
			raw.Close()
		case <-stop:
		}
	})
	c := &conversation{server: s, conn: raw}
	if s.implicit {
		c.conn, c.encrypted = tls.Server(raw, s.config), true
	}
	c.r = bufio.NewReader(c.conn)
	if !c.special("connect") {
		return
	}
	c.say("220 test ESMTP")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		c.note(line)
		if !c.special(line) {
			return
		}
		if !c.answer(line) {
			return
		}
	}
}

func (c *conversation) say(lines ...string) {
	io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
}

func (c *conversation) note(line string) {
	if c.encrypted {
		line = "TLS " + line
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

// special does what this test's server does at a line; false ends the conversation.
func (c *conversation) special(line string) bool {
	if c.hang != "" && strings.HasPrefix(line, c.hang) {
		<-c.done
		return false
	}
	return c.cut == "" || !strings.HasPrefix(line, c.cut)
}

func (c *conversation) answer(line string) bool {
	for prefix, answer := range c.answers {
		if strings.HasPrefix(line, prefix) {
			c.say(answer)
			return true
		}
	}
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO":
		features := []string{"250-test", "250-8BITMIME", "250-SMTPUTF8"}
		if !c.encrypted && !c.noTLS {
			features = append(features, "250-STARTTLS")
		}
		if c.auth != "" && (c.encrypted || c.plain) {
			features = append(features, "250-AUTH "+c.auth)
		}
		c.say(append(features, "250 ENHANCEDSTATUSCODES")...)
	case "STARTTLS":
		c.say("220 go ahead")
		secure := tls.Server(c.conn, c.config)
		c.conn, c.r, c.encrypted = secure, bufio.NewReader(secure), true
	case "AUTH":
		c.authenticate(line)
	case "RCPT":
		c.mu.Lock()
		c.to = append(c.to, strings.TrimPrefix(line, "RCPT TO:"))
		c.mu.Unlock()
		c.say("250 ok")
	case "DATA":
		c.say("354 go on")
		var b strings.Builder
		for {
			text, err := c.r.ReadString('\n')
			if err != nil {
				return false
			}
			if text == ".\r\n" {
				break
			}
			b.WriteString(strings.TrimPrefix(text, "."))
		}
		if !c.special("END") {
			return false
		}
		if refusal := c.answers["END"]; refusal != "" {
			c.say(refusal)
			return true
		}
		c.mu.Lock()
		c.mails = append(c.mails, b.String())
		c.mu.Unlock()
		c.say("250 taken")
	case "QUIT":
		c.say("221 bye")
		return false
	default:
		c.say("250 ok")
	}
	return true
}

func (c *conversation) ask(challenge string) string {
	c.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, _ := c.r.ReadString('\n')
	text, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	return string(text)
}

func (c *conversation) authenticate(line string) {
	words := strings.Fields(line)
	ok, heard := false, ""
	switch words[1] {
	case "PLAIN":
		text, _ := base64.StdEncoding.DecodeString(words[2])
		heard = string(text)
		ok = heard == "\x00"+user+"\x00"+password
	case "LOGIN":
		ok = c.ask("Username:") == user
		heard = c.ask("Password:")
		ok = heard == password && ok
	case "CRAM-MD5":
		const challenge = "<1@test>"
		mac := hmac.New(md5.New, []byte(password))
		io.WriteString(mac, challenge)
		ok = c.ask(challenge) == user+" "+hex.EncodeToString(mac.Sum(nil))
	}
	if !ok {
		// A server that repeats what it heard.
		c.say(fmt.Sprintf("535 5.7.8 no: %s %s", line, strings.ReplaceAll(heard, "\x00", " ")))
		return
	}
	c.say("235 welcome")
}

func (s *server) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

func (s *server) taken() (mails, to []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...), append([]string(nil), s.to...)
}
