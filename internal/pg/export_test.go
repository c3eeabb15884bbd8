package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// ListenImpatiently is ListenToAll with times of the test's own.
func ListenImpatiently(config *pgx.ConnConfig, channels []string, notify func(string, uint32), keepalive, pingTimeout time.Duration) func(context.Context) {
	l := &listener{config: config, channels: channels, notify: notify, keepalive: keepalive, pingTimeout: pingTimeout}
	return l.run
}
