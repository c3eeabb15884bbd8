// Package pg holds what every user of PostgreSQL in this program shares: pools,
// transactions, pipelines, notifications, and what an error of the database means.
package pg

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Defaults of Options.
const (
	DefaultStatementTimeout = 30 * time.Second
	DefaultConnectTimeout   = 5 * time.Second
	// IdleInTransactionTimeout frees the locks of a process that stands still
	// (stopped, swapped out, cut off) in the middle of a transaction.
	IdleInTransactionTimeout = 10 * time.Second
)

// Options of a pool. The zero value is good for a single process.
type Options struct {
	// ApplicationName of the sessions: the module, as in "server".
	ApplicationName string
	// MaxConns is the greatest number of sessions; 0: 4 for each CPU, at least 10.
	MaxConns int32
	// StatementTimeout ends a statement on the server; 0: DefaultStatementTimeout.
	StatementTimeout time.Duration
	// ConnectTimeout bounds the making of a connection; 0: DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// Pooler says that a transaction pooler stands in between: no named prepared
	// statements and no session parameters are used.
	Pooler bool
	// Tracer sees every statement; nil: none.
	Tracer pgx.QueryTracer
}

// planning makes sessions plan each statement once, for any parameters, and as for
// tables too large to be read whole: the plans that sql/plans shows. Planning small
// statements anew costs more than executing them, and a plan that was made while a
// table was empty would read all of it later.
var planning = map[string]string{
	"plan_cache_mode":                 "force_generic_plan",
	"enable_seqscan":                  "off",
	"max_parallel_workers_per_gather": "0",
	"jit":                             "off",
}

// NewPool makes a pool of connections to the database at url. It does not wait
// for the database: an error is an error of the url or the options.
func NewPool(ctx context.Context, url string, o Options) (*pgxpool.Pool, error) {
	return Source{URL: url}.NewPool(ctx, o)
}

// NewPool makes a pool of connections to the database, as the function of that name.
func (s Source) NewPool(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	config, err := s.poolConfig()
	if err != nil {
		return nil, err
	}
	o.apply(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	return pool, nil
}

func (o Options) apply(config *pgxpool.Config) {
	config.MaxConns = o.MaxConns
	if config.MaxConns == 0 {
		config.MaxConns = max(10, int32(4*runtime.GOMAXPROCS(0)))
	}
	config.MaxConnIdleTime = 5 * time.Minute
	config.AfterConnect = registerTypes
	c := config.ConnConfig
	c.Tracer = o.Tracer
	c.ConnectTimeout = o.ConnectTimeout
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if o.ApplicationName != "" {
		c.RuntimeParams["application_name"] = o.ApplicationName
	}
	if o.Pooler {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return
	}
	timeout := o.StatementTimeout
	if timeout == 0 {
		timeout = DefaultStatementTimeout
	}
	for setting, value := range planning {
		c.RuntimeParams[setting] = value
	}
	c.RuntimeParams["statement_timeout"] = Milliseconds(timeout)
	c.RuntimeParams["idle_in_transaction_session_timeout"] = Milliseconds(IdleInTransactionTimeout)
}

// Milliseconds writes a duration as settings of the server want it.
func Milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// BoundsTransactions tells whether the sessions of a pool end transactions that
// stand still. Those behind a transaction pooler do not by themselves.
func BoundsTransactions(pool *pgxpool.Pool) bool {
	_, ok := pool.Config().ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"]
	return ok
}

// registerTypes lets uuids be sent also where the server did not describe the
// statement first.
func registerTypes(_ context.Context, conn *pgx.Conn) error {
	m := conn.TypeMap()
	m.RegisterDefaultPgType(uuid.UUID{}, "uuid")
	m.RegisterDefaultPgType([]uuid.UUID{}, "_uuid")
	if _, ok := m.TypeForOID(pgtype.UUIDArrayOID); !ok {
		return fmt.Errorf("type map knows no uuid[]")
	}
	return nil
}
