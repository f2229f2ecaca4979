package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func system(env map[string]string, files map[string]string) System {
	return System{
		Env: func(name string) string { return env[name] },
		ReadFile: func(path string) ([]byte, error) {
			if v, ok := files[path]; ok {
				return []byte(v), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
	}
}

func TestResolve(t *testing.T) {
	sys := system(map[string]string{"KEY": "s3cret", "EMPTY": ""}, map[string]string{"/run/key": "from-file\n", "/run/empty": "\n", "/run/huge": strings.Repeat("x", maxSecret+1)})
	for _, c := range []struct{ ref, want, problem string }{
		{"", "", ""},
		{"env:KEY", "s3cret", ""},
		{"file:/run/key", "from-file", ""},
		{"env:EMPTY", "", "EMPTY is not set, or is empty"},
		{"env:MISSING", "", "MISSING is not set"},
		{"file:/run/none", "", "cannot be read"},
		{"file:/run/empty", "", "is empty"},
		{"file:/run/huge", "", "too large"},
		{"hunter2", "", "by reference"},
	} {
		got, err := Resolve(c.ref, sys)
		switch {
		case c.problem == "" && (err != nil || got != c.want):
			t.Errorf("Resolve(%q): got %q, %v; want %q", c.ref, got, err, c.want)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("Resolve(%q): got error %v, want one with %q", c.ref, err, c.problem)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("Resolve(%q): the error shows the value: %v", c.ref, err)
		}
	}
}

func TestResolveAllSaysEverything(t *testing.T) {
	var a, b, c string
	err := ResolveAll(system(map[string]string{"C": "good"}, nil), map[string]string{"one": "env:A", "two": "env:B", "three": "env:C"}, map[string]*string{"one": &a, "two": &b, "three": &c})
	if err == nil || !strings.Contains(err.Error(), "one:") || !strings.Contains(err.Error(), "two:") || c != "good" {
		t.Errorf("ResolveAll: got error %v and c=%q, want complaints about one and two, and three resolved", err, c)
	}
}

func TestFindDatabase(t *testing.T) {
	const password = "hunter2"
	pg := "postgres://stint:" + password + "@db.example.com:5432/stint?sslmode=require"
	for _, c := range []struct {
		name, flag string
		env        map[string]string
		want       string
		problem    string
	}{
		{"the flag wins", "x.db", map[string]string{EnvDatabase: "y.db", "HOME": "/home/ann"}, "x.db", ""},
		{"the environment", "", map[string]string{EnvDatabase: "y.db", "HOME": "/home/ann"}, "y.db", ""},
		{"the state folder", "", map[string]string{"HOME": "/home/ann"}, "/home/ann/.local/state/stint/stint.db", ""},
		{"XDG", "", map[string]string{"HOME": "/home/ann", "XDG_STATE_HOME": "/state"}, "/state/stint/stint.db", ""},
		{"a relative XDG is not followed", "", map[string]string{"HOME": "/home/ann", "XDG_STATE_HOME": "state"}, "/home/ann/.local/state/stint/stint.db", ""},
		{"nowhere", "", nil, "", "say with --database"},
		{"sqlite:", "sqlite:/a/b.db", nil, "/a/b.db", ""},
		{"sqlite: without a path", "sqlite:", nil, "", "needs the path"},
		{"postgres", pg, nil, "postgres://db.example.com:5432/stint", ""},
		{"postgres by reference", "env:URL", map[string]string{"URL": pg}, "postgres://db.example.com:5432/stint", ""},
		{"postgres without a database", "postgres://ann:" + password + "@db.example.com", nil, "", "want postgres://USER@HOST/DATABASE"},
		{"a reference to nothing", "env:URL", nil, "", "URL is not set"},
		{"another scheme", "mysql://ann:" + password + "@db.example.com/x", nil, "", `scheme "mysql"`},
	} {
		db, err := FindDatabase(c.flag, system(c.env, nil))
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), password) {
				t.Errorf("%s: FindDatabase(%q): got error %v, want one with %q and without the password", c.name, c.flag, err, c.problem)
			}
			continue
		}
		if err != nil || db.String() != c.want {
			t.Errorf("%s: FindDatabase(%q): got %v, %v; want %s", c.name, c.flag, db, err, c.want)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, db); strings.Contains(text, password) {
				t.Errorf("%s: %s prints the password: %s", c.name, verb, text)
			}
		}
		if address, ok := db.Postgres(); strings.Contains(c.name, "postgres") && (!ok || address != pg) {
			t.Errorf("%s: Postgres(): got %q, %v; want the whole address", c.name, address, ok)
		}
	}
	if _, err := FindDatabase("file:/none", system(nil, nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("FindDatabase(file:/none): got %v, want that the file is not there", err)
	}
}
