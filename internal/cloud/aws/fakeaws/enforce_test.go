package fakeaws

import "testing"

// TestEnforceRefuses: what it cannot judge it does not take, rather than judge it wrongly.
func TestEnforceRefuses(t *testing.T) {
	for _, c := range []struct{ name, document string }{
		{"no JSON", `{`},
		{"nothing allowed", `{ "Version": "2012-10-17", "Statement": [] }`},
		{"an old version", `{ "Version": "2008-10-17", "Statement": [{ "Effect": "Allow", "Action": "ec2:*", "Resource": "*" }] }`},
		{"a denial", `{ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "ec2:*", "Resource": "*" }] }`},
		{"all but some actions", `{ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "NotAction": "ec2:A", "Action": "ec2:*", "Resource": "*" }] }`},
		{"a Sid with a dash", `{ "Version": "2012-10-17", "Statement": [{ "Sid": "a-b", "Effect": "Allow", "Action": "ec2:*", "Resource": "*" }] }`},
		{"no ARN", `{ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "ec2:*", "Resource": "snapshot/*" }] }`},
		{"an unknown condition", `{ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": { "StringEquals": { "ec2:Owner": "self" } } }] }`},
		{"an unknown operator", `{ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": { "StringNotEquals": { "aws:ResourceTag/a": "b" } } }] }`},
	} {
		if New(Options{}).Enforce([]byte(c.document)) == nil {
			t.Errorf("Enforce(%s): got no error, want one", c.name)
		}
	}
}
