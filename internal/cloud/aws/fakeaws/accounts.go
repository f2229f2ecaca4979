package fakeaws

import (
	"net/http"
	"slices"
	"strings"
)

// Accounts answers for many accounts at one address, as AWS does: the access key that a request is signed with, or that
// an account has lent to a role, says whose it is. Each account keeps its own ids, limits and troubles. A key that nobody
// knows is refused by the first account. Roles across accounts are not known: a role acts in the account whose key asks
// for it.
//
// It panics without an account, or when two have the same number, seed or key: their things could not be told apart.
func Accounts(fakes ...*Fake) http.Handler {
	if len(fakes) == 0 {
		panic("fakeaws.Accounts: no account")
	}
	a := accounts{fakes: fakes, keys: map[string]*Fake{}}
	for i, f := range fakes {
		for _, other := range fakes[:i] {
			if f.opt.Account == other.opt.Account || f.opt.Seed == other.opt.Seed {
				panic("fakeaws.Accounts: two accounts with the number " + f.opt.Account + " or the same seed")
			}
		}
		for key := range f.opt.Keys {
			if a.keys[key] != nil {
				panic("fakeaws.Accounts: two accounts with the key " + key)
			}
			a.keys[key] = f
		}
	}
	return a
}

type accounts struct {
	fakes []*Fake
	keys  map[string]*Fake // by permanent access key
}

// ServeHTTP passes the request on to its account.
func (a accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, _, _ := strings.Cut(authField(r.Header.Get("Authorization"), "Credential"), "/")
	f := a.keys[key]
	if f == nil {
		i := slices.IndexFunc(a.fakes, func(f *Fake) bool { return f.lent(key) })
		f = a.fakes[max(i, 0)]
	}
	f.ServeHTTP(w, r)
}

// lent says whether a role's temporary key is this account's.
func (f *Fake) lent(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.state.Sessions[key]
	return ok
}
