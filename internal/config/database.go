package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// EnvDatabase is the environment variable that says where the database is.
const EnvDatabase = "STINT_DATABASE"

// Database says where Stint remembers: a file on this machine, or a PostgreSQL server.
type Database struct {
	Path     string // of the SQLite file; empty for PostgreSQL
	postgres string // the address, with its password
}

// Postgres gives the address of the server, password and all, and whether it is one.
func (d Database) Postgres() (address string, ok bool) { return d.postgres, d.postgres != "" }

// String names the database without its password.
func (d Database) String() string {
	if d.postgres == "" {
		return d.Path
	}
	u, err := url.Parse(d.postgres)
	if err != nil {
		return "postgres://…"
	}
	return u.Scheme + "://" + u.Host + u.Path // neither user nor password, nor what stands in the query
}

// GoString is String: no verb prints the password.
func (d Database) GoString() string { return d.String() }

// Format is String for every verb.
func (d Database) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// FindDatabase reads the setting: the flag's text, else the environment's, else a file in the user's state folder.
func FindDatabase(flag string, sys System) (Database, error) {
	text, from := flag, "--database"
	if text == "" {
		text, from = sys.Env(EnvDatabase), EnvDatabase
	}
	if text == "" {
		path, err := stateFile(sys)
		return Database{Path: path}, err
	}
	if IsReference(text) {
		v, err := Resolve(text, sys)
		if err != nil {
			return Database{}, fmt.Errorf("%s: %w", from, err)
		}
		text = v
	}
	switch scheme, rest, ok := strings.Cut(text, ":"); {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		u, err := url.Parse(text)
		if err != nil || u.Path == "" || u.Path == "/" {
			return Database{}, fmt.Errorf("%s: want postgres://USER@HOST/DATABASE (its password may come from a file with env: or file:)", from)
		}
		return Database{postgres: text}, nil
	case ok && scheme == "sqlite":
		rest = strings.TrimPrefix(rest, "//")
		if rest == "" {
			return Database{}, fmt.Errorf("%s: sqlite: needs the path of a file", from)
		}
		return Database{Path: rest}, nil
	case ok && strings.HasPrefix(rest, "//"):
		return Database{}, fmt.Errorf("%s: no database is known by the scheme %q: want a file's path or postgres://…", from, scheme)
	}
	return Database{Path: text}, nil
}

func stateFile(sys System) (string, error) {
	if dir := sys.Env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "stint", "stint.db"), nil
	}
	if home := sys.Env("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "stint", "stint.db"), nil
	}
	return "", errors.New("neither XDG_STATE_HOME nor HOME is set: say with --database where to remember")
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
