package pg_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

// TestSilentConnectionIsReplaced: a server that vanishes without a word, as
// behind a firewall that forgot the connection, is noticed by asking.
func TestSilentConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	config, err := pgxpool.ParseConfig(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	var silent atomic.Bool
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &mute{Conn: conn, silent: &silent}, err
	}
	connected := make(chan string, 10)
	listen := pg.ListenImpatiently(config.ConnConfig, []string{pg.ChannelEvents}, func(c string, _ uint32) { connected <- c },
		20*time.Millisecond, 200*time.Millisecond)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		listen(ctx)
	}()
	for round := range 2 {
		select {
		case c := <-connected:
			if c != pg.Connected {
				t.Fatalf("heard %q", c)
			}
			// Connections of before are silent; those that come are not.
			silent.Store(round == 0)
		case <-ctx.Done():
			t.Fatal("not connected again")
		}
	}
	cancel()
	<-ended
}

// mute swallows what is written, once it is told to, and so is never answered.
type mute struct {
	net.Conn
	silent *atomic.Bool
	dead   bool
}

func (m *mute) Write(b []byte) (int, error) {
	if m.silent.CompareAndSwap(true, false) || m.dead {
		m.dead = true
		return io.Discard.Write(b)
	}
	return m.Conn.Write(b)
}
