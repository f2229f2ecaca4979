package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// Lock makes this process the only one that works on the database at path, until release is called or the process
// ends, however it ends. The lock is on a file beside the database.
func Lock(path string) (release func(), err error) {
	name := path + ".lock"
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("the directory of %s cannot be made: %w", name, err)
	}
	f := flock.New(name, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	got, err := f.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if !got {
		return nil, fmt.Errorf("database %s is in use by %s: stop that one first, or use --database postgres://… to share the work", path, holder(name))
	}
	// Only to tell others who we are, and no harm where it cannot be written: the lock is the lock, whatever it says.
	os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return func() { f.Unlock() }, nil // the file stays: taking it away would let two others lock two files
}

// holder names the process that holds the lock, as well as can be told.
func holder(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return "another process"
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
