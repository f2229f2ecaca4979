package fakealibaba

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save writes everything that is stored as JSON.
func (f *Fake) Save(w io.Writer) error {
	f.mu.Lock()
	s := f.state
	s.Sessions = f.vault.of(f.opt.Account)
	b, err := json.Marshal(s)
	f.mu.Unlock()
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = w.Write(b)
	return err
}

// Load replaces everything that is stored by what Save wrote of an account with the same number.
func (f *Fake) Load(r io.Reader) error {
	var s state
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if s.Account != f.opt.Account || len(s.Regions) == 0 {
		return fmt.Errorf("state: not the state of the Alibaba Cloud account %s", f.opt.Account)
	}
	for name, r := range s.Regions {
		if r == nil || r.Tokens == nil || r.Name != name {
			return fmt.Errorf("state: region %q is not whole", name)
		}
		err := errors.Join(
			r.Instances.index(idForm("i")), r.Disks.index(idForm("d")), r.Snapshots.index(idForm("s")),
			r.Images.index(idForm("m")), r.Groups.index(idForm("ssg")), r.Templates.index(idForm("lt")),
		)
		if err != nil {
			return fmt.Errorf("state: region %q: %w", name, err)
		}
		for key, u := range r.Tokens {
			if len(u.IDs) == 0 {
				return fmt.Errorf("state: region %q: the token of %q stands for nothing", name, key)
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, lent := range s.Sessions {
		if lent.Account == s.Account {
			f.vault.put(key, lent)
		}
	}
	s.Sessions = nil
	f.state = s
	f.version++
	return nil
}

// SaveFile writes the state to a file, whole or not at all.
func (f *Fake) SaveFile(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once it is renamed
	if err := f.Save(tmp); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// LoadFile reads what SaveFile wrote; the error is fs.ErrNotExist when there is no such file.
func (f *Fake) LoadFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f.Load(file)
}
