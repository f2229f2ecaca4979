package notice_test

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/notice"
)

func item(key, policy string) notice.Item {
	return notice.Item{
		Key: key, Policy: policy, Account: "web", Title: "snapshot.create is denied", Detail: "grant ec2:CreateSnapshot",
		Opened: start, Last: start.Add(time.Hour), Count: 3,
	}
}

func TestSubject(t *testing.T) {
	items := func(policies ...string) (out []notice.Item) {
		for i, p := range policies {
			out = append(out, item(fmt.Sprint(i), p))
		}
		return out
	}
	for _, c := range []struct {
		d    notice.Digest
		want string
	}{
		{notice.Digest{Failing: items("nightly-shop", "web", "nightly-shop"), Recovered: items("web")}, "[stint] 3 failing, 1 recovered: nightly-shop, web"},
		{notice.Digest{Still: items("a", "b", "c", "d", "e")}, "[stint] 5 still failing: a, b, c and 2 more"},
		{notice.Digest{Failing: items("")}, "[stint] 1 failing: web"},
		{notice.Digest{Failing: []notice.Item{{Title: "disk full"}}}, "[stint] 1 failing: disk full"},
		{notice.Digest{Failing: items("a\r\nBcc: eve@example.com")}, "[stint] 1 failing: a Bcc: eve@example.com"},
		{notice.Digest{}, "[stint] nothing to report"},
	} {
		if got := c.d.Subject(); got != c.want {
			t.Errorf("Subject of %+v\n got %q\nwant %q", c.d, got, c.want)
		}
	}
	long := notice.Digest{Failing: items(strings.Repeat("ü", 400))}
	if got := []rune(long.Subject()); len(got) > 150 {
		t.Errorf("Subject of a long name has %d characters, want at most 150", len(got))
	}
}

func TestText(t *testing.T) {
	back := item("k", "nightly")
	back.Back = true
	over := item("r", "web")
	over.Closed = start.Add(2 * time.Hour)
	d := notice.Digest{Failing: []notice.Item{back}, Recovered: []notice.Item{over}, Trouble: "It was\nbroken.", Link: "https://stint.example.com/"}
	want := `Failing (1)

* snapshot.create is denied
  policy nightly, account web
  since 2026-03-02 04:00, seen 3 times, last 2026-03-02 05:00; it had been right again in between
  grant ec2:CreateSnapshot

Recovered (1)

* snapshot.create is denied
  policy web, account web
  from 2026-03-02 04:00 to 2026-03-02 06:00, seen 3 times, last 2026-03-02 05:00
  grant ec2:CreateSnapshot

It was broken.

Times are UTC. More: https://stint.example.com/
`
	if got := d.Text(); got != want {
		t.Errorf("Text()\n got %s\nwant %s", got, want)
	}
}

func TestLongListsAreCut(t *testing.T) {
	var d notice.Digest
	for i := range 620 {
		d.Failing = append(d.Failing, item(fmt.Sprint(i), "p"))
	}
	page, err := d.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"Text": d.Text(), "HTML": page} {
		if n := strings.Count(text, "snapshot.create is denied"); n != notice.MaxLines {
			t.Errorf("%s of 620 items has %d of them, want %d", form, n, notice.MaxLines)
		}
		if !strings.Contains(text, "and 570 more") {
			t.Errorf("%s of 620 items does not say how many are left out", form)
		}
	}
	body, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var m notice.Message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Failing) != notice.MaxJSON || m.More.Failing != 120 {
		t.Errorf("JSON of 620 items has %d and %d more, want %d and 120", len(m.Failing), m.More.Failing, notice.MaxJSON)
	}
}

func TestHTMLIsInert(t *testing.T) {
	bad := `<script src="https://evil.example.com/x.js"></script><img src=x onerror=alert(1)>`
	d := notice.Digest{Failing: []notice.Item{{Title: bad, Policy: bad, Account: bad, Detail: bad + "\x00\u202e"}}, Trouble: bad, Link: `javascript:alert("x")`}
	page, err := d.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"<script", "<img", "javascript:", "src=\"", "\x00", "\u202e", "http:"} {
		if strings.Contains(page, no) {
			t.Errorf("HTML of hostile texts contains %q:\n%s", no, page)
		}
	}
	if !strings.Contains(html.UnescapeString(page), bad) {
		t.Errorf("HTML lost the text %q:\n%s", bad, page)
	}
}

func TestJSON(t *testing.T) {
	over := item("r", "web")
	over.Closed = start.Add(2 * time.Hour)
	last := item("s", "web")
	last.Final = true
	d := notice.Digest{ID: "0a", At: start, Still: []notice.Item{last}, Recovered: []notice.Item{over}}
	got, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	common := `"policy":"web","account":"web","title":"snapshot.create is denied","detail":"grant ec2:CreateSnapshot","opened-at":"2026-03-02T04:00:00Z","last-at":"2026-03-02T05:00:00Z",`
	want := `{"schema":"stint.notice/1","id":"0a","at":"2026-03-02T04:00:00Z","subject":"[stint] 1 still failing, 1 recovered: web","failing":[],` +
		`"still-failing":[{"key":"s",` + common + `"count":3,"last-reminder":true}],` +
		`"recovered":[{"key":"r",` + common + `"closed-at":"2026-03-02T06:00:00Z","count":3}],` +
		`"more":{"failing":0,"still-failing":0,"recovered":0}}` + "\n"
	if string(got) != want {
		t.Errorf("JSON()\n got %s\nwant %s", got, want)
	}
}

func TestSecretHides(t *testing.T) {
	s := notice.NewSecret("hunter2")
	type config struct{ Password notice.Secret }
	type hidden struct{ password notice.Secret }
	if got := fmt.Sprintf("%v %+v %#v", hidden{s}, hidden{s}, &hidden{s}); strings.Contains(got, "hunter2") {
		t.Errorf("the secret shows in an unexported field: %s", got)
	}
	text, _ := s.MarshalText()
	body, err := json.Marshal(map[string]any{"v": s, "p": &s, "c": config{s}, "k": map[notice.Secret]int{s: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %X %d", s, s, s, s, s, s, s, s), fmt.Sprintf("%+v %#v", config{s}, config{s}),
		fmt.Sprint(&config{s}), fmt.Sprint([]notice.Secret{s}), s.String(), s.GoString(), string(text), string(body),
	} {
		if strings.Contains(got, "hunter2") || strings.Contains(strings.ToLower(got), "68756e74") {
			t.Errorf("the secret shows in %s", got)
		}
		if !strings.Contains(got, "***") {
			t.Errorf("%s does not say that something is hidden", got)
		}
	}
	if none := (notice.Secret{}); none.Reveal() != "" || none.String() != "***" {
		t.Errorf("no secret reveals %q and prints %s, want nothing and ***", none.Reveal(), none)
	}
	if s.Reveal() != "hunter2" {
		t.Errorf("Reveal() = %q, want the text itself", s.Reveal())
	}
}

func TestSameContentSameID(t *testing.T) {
	send := func(keys ...string) notice.Digest {
		m, mail := newMemory(), &channel{name: "mail"}
		for _, key := range keys {
			open(t, m, key, start)
		}
		if _, err := tell(t, notice.New(m, []notice.Channel{mail}, notice.Options{}), start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return mail.take()[0]
	}
	ab, ba, a := send("a", "b"), send("b", "a"), send("a")
	if ab.ID != ba.ID || ab.ID == a.ID || len(a.ID) != 32 {
		t.Errorf("ids of {a b}, {b a}, {a}: %s, %s, %s; want the first two equal, the third different", ab.ID, ba.ID, a.ID)
	}
}
