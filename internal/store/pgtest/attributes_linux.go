package pgtest

import "syscall"

// attributes makes a process of the given user that ends with the test process, even when that is killed.
func attributes(who *ids) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if who != nil {
		a.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
	return a
}
