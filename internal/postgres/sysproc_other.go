//go:build unix && !linux

package postgres

import "syscall"

// dieWithParent does nothing here: only Linux ties a process to its parent. The
// next server over the same data directory stops the one that was left behind.
func dieWithParent(*syscall.SysProcAttr) {}
