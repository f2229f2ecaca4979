package alibaba

import (
	"context"
	"time"
)

// keys are what requests are signed with.
type keys struct {
	id, secret, token string
	ends              time.Time // zero: never
}

// source gives keys. It may ask over the network, and heeds ctx.
type source interface {
	keys(ctx context.Context) (keys, error)
}

// signInError is a failure to get credentials.
type signInError struct{ err error }

func (e *signInError) Error() string { return "credentials: " + e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }

// fixed are keys that stay.
type fixed keys

func (f fixed) keys(context.Context) (keys, error) { return keys(f), nil }

// renewBefore is how long before their end keys are renewed, so that no request is signed with keys that end on the way.
const renewBefore = 5 * time.Minute

// kept remembers a source's keys until shortly before their end. One caller asks at a time; the others wait, or go when
// their context ends. Keys that cannot be renewed are not used on.
type kept struct {
	source source
	turn   chan struct{} // of one place
	have   *keys         // by whose turn it is
}

func keep(s source) *kept { return &kept{source: s, turn: make(chan struct{}, 1)} }

func (k *kept) keys(ctx context.Context) (keys, error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return keys{}, ctx.Err()
	}
	defer func() { <-k.turn }()
	if k.have != nil && (k.have.ends.IsZero() || time.Until(k.have.ends) > renewBefore) {
		return *k.have, nil
	}
	k.have = nil
	fresh, err := k.source.keys(ctx)
	if err != nil {
		return keys{}, err
	}
	k.have = &fresh
	return fresh, nil
}
