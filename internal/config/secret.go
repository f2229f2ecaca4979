package config

import (
	"errors"
	"fmt"
	"strings"
)

// System is what settings are read from.
type System struct {
	Env      func(name string) string
	ReadFile func(path string) ([]byte, error)
}

// maxSecret is the largest file that is taken for a secret.
const maxSecret = 64 << 10

// IsReference says whether the text is env:NAME or file:PATH.
func IsReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// Resolve gives what a reference stands for; an empty reference is no secret. Errors never show a value: what is not a
// reference may be the secret itself.
func Resolve(ref string, sys System) (string, error) {
	if ref == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		v := sys.Env(name)
		if v == "" {
			return "", fmt.Errorf("the environment variable %s is not set, or is empty", name)
		}
		return v, nil
	}
	path, ok := strings.CutPrefix(ref, "file:")
	if !ok {
		return "", errors.New("a secret is given by reference, env:NAME or file:PATH, never by value")
	}
	b, err := sys.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the secret's file cannot be read: %w", err)
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("the secret's file %s is too large: %d bytes, at most %d", path, len(b), maxSecret)
	}
	v := strings.TrimRight(string(b), "\r\n")
	if v == "" {
		return "", fmt.Errorf("the secret's file %s is empty", path)
	}
	return v, nil
}

// ResolveAll resolves several references, and joins what is wrong with each; names say which is which.
func ResolveAll(sys System, refs map[string]string, into map[string]*string) error {
	var wrong []error
	for _, name := range sortedKeys(refs) {
		v, err := Resolve(refs[name], sys)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
			continue
		}
		*into[name] = v
	}
	return errors.Join(wrong...)
}
