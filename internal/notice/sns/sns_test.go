package sns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/notice/sns"
)

const topic = "arn:aws:sns:eu-west-1:111122223333:alerts"

func digest(items int, detail string) notice.Digest {
	d := notice.Digest{ID: "0123456789abcdef0123456789abcdef", At: time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)}
	for i := range items {
		d.Failing = append(d.Failing, notice.Item{Key: fmt.Sprint(i), Policy: "nightly", Title: "snapshot.create is denied", Detail: detail})
	}
	return d
}

// publish sends a digest to a topic at a double of the query API, which answers with status and body, and gives the
// calls that it saw.
func publish(t *testing.T, ctx context.Context, topic string, d notice.Digest, status int, body string) ([]*http.Request, error) {
	t.Helper()
	var calls []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("the request's body: %v", err)
		}
		calls = append(calls, r)
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer server.Close()
	c, err := sns.New("pager", topic, aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "s3same", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(ctx, d)
	return calls, err
}

const published = `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>94f20ce6</MessageId></PublishResult><ResponseMetadata><RequestId>f187a3c1</RequestId></ResponseMetadata></PublishResponse>`

func TestPublish(t *testing.T) {
	for _, c := range []struct{ topic, group, dedup string }{
		{topic, "", ""},
		{topic + ".fifo", "stint", "0123456789abcdef0123456789abcdef"},
	} {
		d := digest(2, "grant ec2:CreateSnapshot")
		calls, err := publish(t, t.Context(), c.topic, d, 200, published)
		if err != nil || len(calls) != 1 {
			t.Fatalf("Send to %s: %d calls, %v; want one and no error", c.topic, len(calls), err)
		}
		r := calls[0]
		for field, want := range map[string]string{
			"Action": "Publish", "TopicArn": c.topic, "Subject": d.Subject(), "Message": d.Text(),
			"MessageGroupId": c.group, "MessageDeduplicationId": c.dedup,
		} {
			if got := r.PostForm.Get(field); got != want {
				t.Errorf("Send to %s: %s = %q, want %q", c.topic, field, got, want)
			}
		}
		if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "AKIDEXAMPLE") || !strings.Contains(auth, "/eu-west-1/sns/") {
			t.Errorf("Send to %s is signed %q, want the given credentials in the topic's region", c.topic, auth)
		}
	}
}

func TestLimits(t *testing.T) {
	d := digest(60, strings.Repeat("ü€😀", 400))
	d.Failing[0].Policy = strings.Repeat("nächtlich\x00", 30)
	for _, i := range []int{1, 2} {
		d.Still = append(d.Still, d.Failing...)
		d.Recovered = append(d.Recovered, d.Failing[i:]...)
	}
	calls, err := publish(t, t.Context(), topic, d, 200, published)
	if err != nil || len(calls) != 1 {
		t.Fatalf("Send: %d calls, %v; want one and no error", len(calls), err)
	}
	if got := calls[0].PostForm.Get("Subject"); len(got) > 100 || strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		t.Errorf("Subject %q has %d bytes, want at most 100 of printable ASCII", got, len(got))
	}
	got := calls[0].PostForm.Get("Message")
	if len(d.Text()) <= 256<<10 {
		t.Fatalf("the test's text has only %d bytes", len(d.Text()))
	}
	if len(got) > 256<<10 || len(got) < 255<<10 || !utf8.ValidString(got) || !strings.Contains(got, "… cut here") {
		t.Errorf("Message has %d bytes (valid %v), want just under 256 KiB with a note", len(got), utf8.ValidString(got))
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, want string
	}{
		{403, "AuthorizationError", "allow sns:Publish"},
		{403, "InvalidClientTokenId", "credentials"},
		{403, "SignatureDoesNotMatch", "clock"},
		{404, "NotFound", "check the topic's ARN"},
		{400, "InvalidParameter", "check the topic's ARN"},
		{429, "Throttled", "tried again"},
		{500, "InternalError", "tried again"},
		{418, "NeverHeardOf", "see what AWS says"},
	} {
		body := `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>` + c.code +
			"</Code><Message>not\ntoday</Message></Error><RequestId>r</RequestId></ErrorResponse>"
		calls, err := publish(t, t.Context(), topic, digest(1, ""), c.status, body)
		if len(calls) != 1 {
			t.Errorf("%s: %d calls, want 1", c.code, len(calls))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.code+": not today") || !strings.Contains(err.Error(), topic) {
			t.Errorf("%s: %v, want topic, code, message and %q", c.code, err, c.want)
		} else if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "s3same") {
			t.Errorf("%s: the error has a line feed or a secret: %v", c.code, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := publish(t, ctx, topic, digest(1, ""), 200, published); !errors.Is(err, context.Canceled) {
		t.Errorf("Send with a cancelled context: %v, want context.Canceled", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, topic := range []string{
		"", "alerts", "arn:aws:sqs:eu-west-1:111122223333:alerts", "arn:aws:sns::111122223333:alerts",
		"arn:aws:sns:eu-west-1:111122223333:alerts:0a1b", // a subscription
	} {
		if _, err := sns.New("pager", topic, aws.Config{}); err == nil || !strings.Contains(err.Error(), "write the topic's ARN") {
			t.Errorf("New with topic %q: %v, want what to write", topic, err)
		}
	}
}
