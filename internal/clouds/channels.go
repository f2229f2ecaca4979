package clouds

import (
	"context"
	"errors"
	"fmt"

	"github.com/stint-cloud/stint/internal/cloud/aws"
	"github.com/stint-cloud/stint/internal/config"
	"github.com/stint-cloud/stint/internal/notice"
	"github.com/stint-cloud/stint/internal/notice/smtp"
	"github.com/stint-cloud/stint/internal/notice/sns"
	"github.com/stint-cloud/stint/internal/notice/webhook"
	"github.com/stint-cloud/stint/internal/policy"
)

// Channels opens every way of telling people that the rules name. Those that cannot be opened are in the error, joined;
// the others are given all the same.
func Channels(ctx context.Context, rules policy.Rules, sys config.System) ([]notice.Channel, error) {
	var out []notice.Channel
	var wrong []error
	for _, c := range rules.Notify {
		ch, err := channel(ctx, rules, c, sys)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("notify %s: %w", c.Name, err))
			continue
		}
		out = append(out, ch)
	}
	return out, errors.Join(wrong...)
}

func channel(ctx context.Context, rules policy.Rules, c policy.Channel, sys config.System) (notice.Channel, error) {
	secret := func(ref policy.SecretRef) (notice.Secret, error) {
		v, err := config.Resolve(string(ref), sys)
		if err != nil || v == "" {
			return notice.Secret{}, err
		}
		return notice.NewSecret(v), nil
	}
	switch {
	case c.SMTP != nil:
		password, err := secret(c.SMTP.Password)
		if err != nil {
			return nil, err
		}
		return opened(smtp.New(smtp.Config{
			Name: c.Name, Server: c.SMTP.Server, Security: c.SMTP.Security, User: c.SMTP.User, Password: password, From: c.SMTP.From, To: c.SMTP.To,
		}))
	case c.Webhook != nil:
		key, err := secret(c.Webhook.Secret)
		if err != nil {
			return nil, err
		}
		return opened(webhook.New(webhook.Config{Name: c.Name, URL: c.Webhook.URL, Secret: key}))
	case c.SNS != nil:
		account, ok := rules.FindAccount(c.SNS.Account)
		if !ok || account.Cloud != "aws" {
			return nil, fmt.Errorf("the account %q is not an AWS account of the policies", c.SNS.Account)
		}
		conf, err := AWSConfig(account, sys)
		if err != nil {
			return nil, err
		}
		p, err := aws.Open(ctx, conf)
		if err != nil {
			return nil, err
		}
		return opened(sns.New(c.Name, c.SNS.Topic, p.Session()))
	}
	return nil, errors.New("it names no way to tell people")
}

// opened keeps a nil of a channel's own type from becoming a channel.
func opened[C notice.Channel](c C, err error) (notice.Channel, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
