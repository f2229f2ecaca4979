package faketencent

import "testing"

// TestEnforceRefuses: what it cannot judge it does not take, rather than judge it wrongly.
func TestEnforceRefuses(t *testing.T) {
	for _, c := range []struct{ name, document string }{
		{"no JSON", `{`},
		{"another version", `{ "version": "3.0", "statement": [{ "effect": "allow", "action": ["cvm:A"], "resource": ["*"] }] }`},
		{"a denial", `{ "version": "2.0", "statement": [{ "effect": "deny", "action": ["cvm:A"], "resource": ["*"] }] }`},
		{"a resource", `{ "version": "2.0", "statement": [{ "effect": "allow", "action": ["cvm:A"], "resource": ["qcs::cvm:::instance/*"] }] }`},
		{"an unknown condition", `{ "version": "2.0", "statement": [{ "effect": "allow", "action": ["cvm:A"], "resource": ["*"], "condition": { "ip_equal": { "qcs:ip": ["192.0.2.1"] } } }] }`},
	} {
		if New(Options{}).Enforce([]byte(c.document)) == nil {
			t.Errorf("Enforce(%s): got no error, want one", c.name)
		}
	}
}
