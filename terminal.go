package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with the first signal that asks the
// process to end, a closed terminal included. The second one ends it at once.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// A broken pipe must not end the process where it stands, with PostgreSQL left
	// running: the write that hit it gets an error.
	caught := []os.Signal{syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // nohup is to be heeded
		ends = append(ends, syscall.SIGHUP)
		// The shell and the terminal both send one: the second says nothing new.
		caught = append(caught, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), caught...)
	ctx, stop := signal.NotifyContext(ctx, ends...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// printer is standard output for as long as somebody reads it. Who has seen
// enough, such as head, ends the printing and not the program.
type printer struct{ to io.Writer }

func (p printer) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		return len(b), nil
	}
	return n, err
}

// The two outputs of a command that talks to a person.
var (
	stdout io.Writer = printer{os.Stdout}
	stderr io.Writer = printer{os.Stderr}
)

// tell prints a line for a person, beside what is asked for. When standard error
// is gone too, there is nobody left to be told.
func tell(words ...any) { _, _ = fmt.Fprintln(stderr, words...) }
