package pg

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"k8s.io/klog/v2"
)

// Channels on which the database gives hints. None of them has a payload: the
// tables are the truth.
const (
	// ChannelEvents: there are new events.
	ChannelEvents = "ark_events"
	// ChannelQueue: there is work for idle workers.
	ChannelQueue = "ark_queue"
	// ChannelLeases: a lease was cancelled or its Query deleted.
	ChannelLeases = "ark_leases"
)

// Connected is reported by Listen in place of a channel each time the
// connection stands: hints may have been missed before, so look for yourself.
const Connected = ""

// Times of Listen. A dead connection is noticed within defaultKeepalive and
// defaultPingTimeout.
const (
	defaultKeepalive   = 10 * time.Second
	defaultPingTimeout = 5 * time.Second
	shortestBackoff    = 100 * time.Millisecond
	longestBackoff     = 5 * time.Second
)

// Listen calls notify for each hint on the channels, and with Connected after
// each (re)connection, until ctx ends. It holds one connection of its own, never
// in a transaction; one that is dead is noticed and replaced. notify must not block.
func Listen(ctx context.Context, config *pgx.ConnConfig, channels []string, notify func(channel string)) {
	ListenToAll(ctx, config, channels, func(channel string, _ uint32) { notify(channel) })
}

// ListenToAll is Listen for those who want to know who notified: from is the
// process id of the session on the server, 0 with Connected. Behind a pooler it is
// nobody's.
func ListenToAll(ctx context.Context, config *pgx.ConnConfig, channels []string, notify func(channel string, from uint32)) {
	l := &listener{config: config, channels: channels, notify: notify,
		keepalive: defaultKeepalive, pingTimeout: defaultPingTimeout}
	l.run(ctx)
}

type listener struct {
	config                 *pgx.ConnConfig
	channels               []string
	notify                 func(channel string, from uint32)
	keepalive, pingTimeout time.Duration
}

func (l *listener) run(ctx context.Context) {
	log := klog.FromContext(ctx)
	backoff, said := shortestBackoff, ""
	for ctx.Err() == nil {
		connected, err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			backoff, said = shortestBackoff, ""
		}
		err = Explain(err)
		if why := err.Error(); why != said { // once for each reason, while there is no database
			log.Info("No connection for notifications, connecting again", "reason", Detail(err))
			said = why
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff + rand.N(backoff/2)):
		}
		backoff = min(2*backoff, longestBackoff)
	}
}

// listen returns when the connection is lost, and whether it stood.
func (l *listener) listen(ctx context.Context) (connected bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, l.config.Copy())
	if err != nil {
		return false, fmt.Errorf("connect for notifications: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.pingTimeout)
		defer cancel()
		_ = conn.Close(closing) // it is given up either way
	}()
	for _, channel := range l.channels {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen on %s: %w", channel, err)
		}
	}
	l.notify(Connected, 0)
	for {
		n, err := l.next(ctx, conn)
		if err != nil {
			return true, err
		}
		if n != nil {
			l.notify(n.Channel, n.PID)
		}
	}
}

// next waits for a notification; after a quiet while it asks the server for a
// sign of life and returns none.
func (l *listener) next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, l.keepalive)
	defer cancel()
	notification, err := conn.WaitForNotification(waiting)
	if err == nil {
		return notification, nil
	}
	if ctx.Err() != nil || waiting.Err() == nil {
		return nil, fmt.Errorf("wait for notification: %w", err)
	}
	pinging, cancel := context.WithTimeout(ctx, l.pingTimeout)
	defer cancel()
	if err := conn.Ping(pinging); err != nil {
		return nil, fmt.Errorf("connection for notifications is dead: %w", err)
	}
	return nil, nil
}
