package fakeaws_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/stint-cloud/stint/internal/cloud/aws/fakeaws"
)

// TestAccounts: accounts at one address have nothing in common: neither ids nor limits, nor what a role may see.
func TestAccounts(t *testing.T) {
	const region = "us-east-1"
	one := fakeaws.New(fakeaws.Options{
		Account: "111122223333", Keys: map[string]string{"AKIDONE": "s1"}, Seed: 1,
		Throttle: &fakeaws.Throttle{Read: fakeaws.Bucket{Size: 2, Refill: 0.000001}},
	})
	two := fakeaws.New(fakeaws.Options{Account: "444455556666", Keys: map[string]string{"AKIDTWO": "s2"}, Seed: 2})
	srv := httptest.NewServer(fakeaws.Accounts(one, two))
	t.Cleanup(srv.Close)
	client := func(key, secret, token string) *ec2.Client {
		return ec2.New(ec2.Options{Region: region, BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token), Retryer: aws.NopRetryer{}})
	}
	of := map[*fakeaws.Fake]string{}
	for _, f := range []*fakeaws.Fake{one, two} {
		of[f] = f.AddInstances(region, 1, 1, nil)[0]
	}
	if of[one] == of[two] {
		t.Errorf("the first instance of both accounts is %s, want ids of their own", of[one])
	}
	sees := func(who string, c *ec2.Client, want string) {
		t.Helper()
		out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
		if err != nil || len(out.Reservations) != 1 || aws.ToString(out.Reservations[0].Instances[0].InstanceId) != want {
			t.Errorf("DescribeInstances as %s: got %v (%v), want %s alone", who, out, err, want)
		}
	}
	refusedWith := func(who string, c *ec2.Client, want string) {
		t.Helper()
		if _, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("DescribeInstances as %s: got %v, want %s", who, err, want)
		}
	}
	sees("one", client("AKIDONE", "s1", ""), of[one])
	sees("one", client("AKIDONE", "s1", ""), of[one])
	refusedWith("one, its bucket empty", client("AKIDONE", "s1", ""), "RequestLimitExceeded")
	sees("two", client("AKIDTWO", "s2", ""), of[two])
	refusedWith("two with one's secret", client("AKIDTWO", "s1", ""), "AuthFailure")
	refusedWith("a stranger", client("AKIDNOBODY", "s1", ""), "AuthFailure")

	keys := map[string]bool{}
	for _, who := range [][2]string{{"AKIDONE", "s1"}, {"AKIDTWO", "s2"}} {
		c := sts.New(sts.Options{Region: region, BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider(who[0], who[1], "")})
		out, err := c.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::444455556666:role/stint"), RoleSessionName: aws.String("stint")})
		if err != nil {
			t.Fatal(err)
		}
		keys[*out.Credentials.AccessKeyId] = true
		if who[0] == "AKIDTWO" {
			sees("a role of two", client(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), of[two])
		}
	}
	if len(keys) != 2 {
		t.Errorf("two accounts lent the keys %v, want two", keys)
	}
	for _, c := range []struct {
		why string
		opt fakeaws.Options
	}{
		{"the number", fakeaws.Options{Account: "111122223333", Keys: map[string]string{"AKIDNEW": "s"}, Seed: 3}},
		{"the seed", fakeaws.Options{Account: "777788889999", Keys: map[string]string{"AKIDNEW": "s"}, Seed: 2}},
		{"the key", fakeaws.Options{Account: "777788889999", Keys: map[string]string{"AKIDONE": "s"}, Seed: 3}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Accounts with %s of another: want a panic", c.why)
				}
			}()
			fakeaws.Accounts(one, two, fakeaws.New(c.opt))
		}()
	}
}
