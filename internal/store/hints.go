package store

import (
	"context"
	"sync"

	"mckinsey.com/ark/internal/pg"
)

// hints hands what the process's one listening connection hears of the queue to
// those who want it.
type hints struct {
	mu        sync.Mutex
	listeners map[*func(string)]struct{}
}

// Hints calls notify with pg.ChannelQueue or pg.ChannelLeases for each hint on
// these channels, and with pg.Connected at once and whenever some may have been
// missed, until ctx ends. notify must not block. It shares the connection that
// the Store listens on.
func (s *Store) Hints(ctx context.Context, notify func(channel string)) {
	s.hints.mu.Lock()
	if s.hints.listeners == nil {
		s.hints.listeners = map[*func(string)]struct{}{}
	}
	s.hints.listeners[&notify] = struct{}{}
	s.hints.mu.Unlock()
	notify(pg.Connected)
	<-ctx.Done()
	s.hints.mu.Lock()
	defer s.hints.mu.Unlock()
	delete(s.hints.listeners, &notify)
}

func (h *hints) tell(channel string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for notify := range h.listeners {
		(*notify)(channel)
	}
}
