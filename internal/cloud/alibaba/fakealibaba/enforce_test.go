package fakealibaba

import "testing"

// TestEnforceRefuses: what it cannot judge it does not take, rather than judge it wrongly.
func TestEnforceRefuses(t *testing.T) {
	for _, c := range []struct{ name, document string }{
		{"no JSON", `{`},
		{"another version", `{ "Version": "2", "Statement": [{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }] }`},
		{"a denial", `{ "Version": "1", "Statement": [{ "Effect": "Deny", "Action": "ecs:*", "Resource": "*" }] }`},
		{"no ARN", `{ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": "ecs:*", "Resource": "snapshot/*" }] }`},
		{"an unknown condition", `{ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*", "Condition": { "StringEquals": { "acs:SourceIp": "192.0.2.1" } } }] }`},
		{"an unknown operator", `{ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*", "Condition": { "StringNotLike": { "acs:ResourceTag/a": "b" } } }] }`},
	} {
		if New(Options{}).Enforce([]byte(c.document)) == nil {
			t.Errorf("Enforce(%s): got no error, want one", c.name)
		}
	}
}
