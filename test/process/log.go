// Package process helps tests that run programs beside themselves.
package process

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
)

// Log keeps what a process prints while a test reads it. The zero value is empty
// and ready.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds what was printed.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all that was printed so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Tail gives the last lines of a text.
func Tail(s string, lines int) string {
	all := strings.Split(s, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// FreePort is a port of 127.0.0.1 that nobody listened at a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
