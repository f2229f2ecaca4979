//go:build !linux

package pgtest

import "syscall"

// attributes has nothing to set: elsewhere tests do not run as root.
func attributes(*ids) *syscall.SysProcAttr { return nil }
