package fakealibaba

import (
	"net/http"
)

// Accounts answers for many accounts at one address, as Alibaba Cloud does: the access key that a request is signed with, or
// that a role has lent, says whose it is. Each account keeps its own ids, limits and troubles; their roles may be assumed
// from each other, and the images that they share are seen. A key that nobody knows is refused by the first account. It is
// to be called before the accounts are asked anything.
//
// It panics without an account, or when two have the same number, seed or key: their things could not be told apart.
func Accounts(fakes ...*Fake) http.Handler {
	if len(fakes) == 0 {
		panic("fakealibaba.Accounts: no account")
	}
	a := accounts{fakes: fakes, keys: map[string]*Fake{}, vault: fakes[0].vault}
	for i, f := range fakes {
		for _, other := range fakes[:i] {
			if f.opt.Account == other.opt.Account || f.opt.Seed == other.opt.Seed {
				panic("fakealibaba.Accounts: two accounts with the number " + f.opt.Account + " or the same seed")
			}
			f.others, other.others = append(f.others, other), append(other.others, f)
		}
		for key := range f.opt.Keys {
			if a.keys[key] != nil {
				panic("fakealibaba.Accounts: two accounts with the key " + key)
			}
			a.keys[key] = f
		}
		for key, s := range f.vault.of(f.opt.Account) {
			a.vault.put(key, s)
		}
		f.vault = a.vault
	}
	return a
}

type accounts struct {
	fakes []*Fake
	keys  map[string]*Fake // by permanent access key
	vault *vault
}

// of is the account that a request is of.
func (a accounts) of(r *http.Request) *Fake {
	key := authField(r.Header.Get("Authorization"), "Credential")
	if f := a.keys[key]; f != nil {
		return f
	}
	if s, ok := a.vault.find(key); ok {
		for _, f := range a.fakes {
			if f.opt.Account == s.Account {
				return f
			}
		}
	}
	return a.fakes[0]
}

// Transport is Accounts without a network.
func Transport(fakes ...*Fake) http.RoundTripper { return Accounts(fakes...).(accounts) }

// RoundTrip passes the request on to its account.
func (a accounts) RoundTrip(r *http.Request) (*http.Response, error) {
	return a.of(asReceived(r)).RoundTripper().RoundTrip(r)
}

// ServeHTTP passes the request on to its account.
func (a accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.of(r).ServeHTTP(w, r) }
