package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/klog/v2"
)

// layers are the parts of a process that stand on each other: they are started
// bottom up and stopped top down, each after the one above has ended.
type layers struct {
	ctx    context.Context
	stack  []*layer
	failed chan error
}

type layer struct {
	name string
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// newLayers gives every layer the values of ctx, but not its end: stop is what
// ends them.
func newLayers(ctx context.Context) *layers {
	return &layers{ctx: context.WithoutCancel(ctx), failed: make(chan error, 1)}
}

// start runs a layer until stop; one that ends before is a failure of all.
func (l *layers) start(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(l.ctx)
	part := &layer{name: name, stop: cancel, done: make(chan struct{})}
	l.stack = append(l.stack, part)
	go func() {
		defer close(part.done)
		err := run(ctx)
		if ctx.Err() != nil {
			if !errors.Is(err, context.Canceled) {
				part.err = err
			}
			return
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		select {
		case l.failed <- fmt.Errorf("%s: %w", name, err):
		default: // only the first failure counts
		}
	}()
}

// task runs something that ends by itself; an error of it is a failure of all.
func (l *layers) task(name string, run func(ctx context.Context) error) {
	l.start(name, func(ctx context.Context) error {
		if err := run(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// onStop adds something that has only an end, such as a pool to be closed.
func (l *layers) onStop(name string, end func() error) {
	l.start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return end()
	})
}

// stop ends all layers, the last one first, and returns what went wrong.
func (l *layers) stop() error {
	var all []error
	for i := len(l.stack) - 1; i >= 0; i-- {
		part := l.stack[i]
		klog.FromContext(l.ctx).V(2).Info("Stopping", "part", part.name)
		part.stop()
		<-part.done
		if part.err != nil {
			all = append(all, fmt.Errorf("stop %s: %w", part.name, part.err))
		}
	}
	return errors.Join(all...)
}
