// Package sns tells people through an AWS SNS topic.
//
// It promises one call of Publish per message, a subject and a text within what SNS takes, cut with a note where they
// are longer, and, on a FIFO topic, a group and a deduplication id, so that a message that is sent twice within five
// minutes arrives once. It refuses to find credentials itself: its caller gives them.
package sns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/stint-cloud/stint/internal/notice"
)

// What SNS takes.
const (
	maxSubject = 100       // ASCII characters
	maxMessage = 256 << 10 // bytes
)

const (
	fifo     = ".fifo"
	group    = "stint"
	cutNote  = "\n\n… cut here: the message is longer than SNS takes. More: stint status\n"
	tooPlain = '?' // stands for what is not ASCII in a subject
)

// Channel publishes digests to one topic.
type Channel struct {
	name   string
	topic  string
	client *sns.Client
}

var _ notice.Channel = (*Channel)(nil)

// New checks the topic's ARN and makes the channel. The credentials are those of cfg, the region is the topic's. It
// calls nothing. A call is tried once: the Teller tries again.
func New(name, topic string, cfg aws.Config) (*Channel, error) {
	a, err := arn.Parse(topic)
	if err != nil || a.Service != "sns" || a.Region == "" || a.AccountID == "" || a.Resource == "" || strings.Contains(a.Resource, ":") {
		return nil, fmt.Errorf("sns %s: topic is %q; write the topic's ARN, as arn:aws:sns:eu-west-1:111122223333:alerts", name, topic)
	}
	client := sns.NewFromConfig(cfg, func(o *sns.Options) {
		o.Region = a.Region
		o.Retryer = aws.NopRetryer{}
	})
	return &Channel{name: name, topic: topic, client: client}, nil
}

// Name is the channel's name in the policies.
func (c *Channel) Name() string { return c.name }

// Send publishes the digest as one message.
func (c *Channel) Send(ctx context.Context, d notice.Digest) error {
	in := &sns.PublishInput{
		TopicArn: aws.String(c.topic), Subject: aws.String(subject(d.Subject())), Message: aws.String(message(d.Text())),
	}
	if strings.HasSuffix(c.topic, fifo) {
		in.MessageGroupId = aws.String(group)
		in.MessageDeduplicationId = aws.String(d.ID)
	}
	if _, err := c.client.Publish(ctx, in); err != nil {
		return c.explain(ctx, err)
	}
	return nil
}

// explain says what went wrong in one line with a remedy.
func (c *Channel) explain(ctx context.Context, err error) error {
	where := "publish to " + c.topic
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", where, ctx.Err())
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: %w; check the network, the endpoint and the account's credentials", where, oneLine{err})
	}
	remedy := "see what AWS says about this code"
	switch api.ErrorCode() {
	case "AuthorizationError", "AuthorizationErrorException", "AccessDenied", "AccessDeniedException", "KMSAccessDenied":
		remedy = "allow sns:Publish on this topic to the account's credentials (and kms:GenerateDataKey on the topic's key)"
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException":
		remedy = "check the account's credentials, and this machine's clock"
	case "NotFound", "NotFoundException":
		remedy = "check the topic's ARN"
	case "InvalidParameter", "InvalidParameterValue", "ValidationError":
		remedy = "check the topic's ARN and kind"
	case "Throttled", "ThrottledException", "Throttling", "InternalError", "ServiceUnavailable":
		remedy = "it is tried again"
	}
	said := strings.Join(strings.Fields(api.ErrorMessage()), " ")
	return fmt.Errorf("%s: %s: %s; %s", where, api.ErrorCode(), said, remedy)
}

// oneLine is an error whose text is on one line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e oneLine) Unwrap() error { return e.error }

// subject makes a line that SNS takes: at most 100 printable ASCII characters.
func subject(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return tooPlain
		}
		return r
	}, s)
	if len(s) > maxSubject {
		s = s[:maxSubject-3] + "..."
	}
	return s
}

// message cuts a text to what SNS takes, between characters, with a note.
func message(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage - len(cutNote)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cutNote
}
