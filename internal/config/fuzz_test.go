package config

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// FuzzFindDatabase: whatever the setting, it is refused or names a database; and no message and no verb shows a password.
func FuzzFindDatabase(f *testing.F) {
	for _, s := range []string{"x.db", "sqlite:/a/b.db", "sqlite://", "postgres://u:PW@h/db", "postgres://u:PW@h", "postgresql:///db?password=PW", "postgres://u:PW@h:x/db", "postgres:PW", "env:URL", "file:/a", "mysql://u:PW@h/x", "\x00", "a:b", "://PW", "postgres://h/PW\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const secret = "hunter2secret"
		text = strings.ReplaceAll(text, "PW", secret)
		db, err := FindDatabase(text, system(map[string]string{"HOME": "/home/ann", "URL": "postgres://u:" + secret + "@h/db"}, map[string]string{"/a": "x.db"}))
		if err != nil {
			if err.Error() == "" || db != (Database{}) {
				t.Errorf("FindDatabase(%q) = %q with error %v", text, db, err)
			}
			if u, bad := url.Parse(text); bad == nil && u.User != nil && strings.Contains(err.Error(), secret) && !strings.Contains(u.Scheme, secret) {
				t.Errorf("FindDatabase(%q) shows the password: %v", text, err)
			}
			return
		}
		address, isPostgres := db.Postgres()
		if isPostgres == (db.Path != "") {
			t.Errorf("FindDatabase(%q): a file %q and a server %q, want one of them", text, db.Path, address)
		}
		if !isPostgres {
			return
		}
		u, bad := url.Parse(address)
		if bad != nil || u.Path == "" {
			t.Errorf("FindDatabase(%q): the address %q is none: %v", text, address, bad)
			return
		}
		if strings.Contains(u.Scheme+u.Host+u.Path, secret) {
			return // it is no password there
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if shown := fmt.Sprintf(verb, db); strings.Contains(shown, secret) {
				t.Errorf("%s of FindDatabase(%q) shows the password: %s", verb, text, shown)
			}
		}
	})
}

// FuzzResolve: a secret comes only by reference, is never empty, and an error never shows what is not a reference.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "env:KEY", "env:", "file:/a", "file:", "env:\x00", "hunter2", "ENV:KEY", "env:KEY ", "file:/long"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		v, err := Resolve(ref, system(map[string]string{"KEY": "s3cret"}, map[string]string{"/a": "s3cret\n", "/long": strings.Repeat("x", maxSecret+1)}))
		switch {
		case err == nil && ref != "" && (v != "s3cret" || !IsReference(ref)):
			t.Errorf("Resolve(%q) = %q", ref, v)
		case err != nil && v != "":
			t.Errorf("Resolve(%q) = %q with error %v", ref, v, err)
		case err != nil && !IsReference(ref) && len(ref) > 12 && strings.Contains(err.Error(), ref):
			t.Errorf("Resolve(%q) shows it: %v", ref, err)
		}
	})
}
