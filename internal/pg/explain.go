package pg

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Problem is an error as a sentence that a person can act on. It is the same for the
// same reason, without the ports and addresses of one attempt.
type Problem struct {
	sentence string
	cause    error
}

func (p *Problem) Error() string { return p.sentence }

// Unwrap returns the error of the driver.
func (p *Problem) Unwrap() error { return p.cause }

// Detail is the sentence, and below it the error of the driver, for a log.
func (p *Problem) Detail() string {
	if p.cause == nil || p.cause.Error() == p.sentence {
		return p.sentence
	}
	return p.sentence + "\n" + p.cause.Error()
}

// Detail is what a log should say of err, of several lines for a *Problem.
func Detail(err error) string {
	var p *Problem
	if errors.As(err, &p) && p.sentence == err.Error() {
		return p.Detail()
	}
	return err.Error()
}

// Explain makes an error of connecting a *Problem. It returns any other error as it is.
func Explain(err error) error {
	var p *Problem
	var connect *pgconn.ConnectError
	if err == nil || errors.As(err, &p) || !errors.As(err, &connect) {
		return err
	}
	t := targetOf(connect.Config)
	sentence := t.refusal(err)
	if sentence == "" {
		sentence = t.unreachable(err)
	}
	return &Problem{sentence: sentence, cause: err}
}

// target is what a connection was for.
type target struct{ address, user, database string }

func targetOf(config *pgconn.Config) target {
	addresses := []string{address(config.Host, config.Port)}
	for _, f := range config.Fallbacks { // the same again without TLS, or other hosts
		if a := address(f.Host, f.Port); !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	t := target{address: strings.Join(addresses, ", "), user: config.User, database: config.Database}
	if t.database == "" {
		t.database = t.user // as the server does
	}
	return t
}

func address(host string, port uint16) string {
	if network, path := pgconn.NetworkAddress(host, port); network == "unix" {
		return path
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// refusal is what a server that answered has against the connection; empty: none did.
func (t target) refusal(err error) string {
	e := refusalIn(err)
	if e == nil {
		return ""
	}
	switch e.Code {
	case "28P01":
		return fmt.Sprintf("PostgreSQL refuses the password of user %q at %s, or has no such role", t.user, t.address)
	case "28000":
		return t.notAuthorized(e)
	case "3D000":
		return fmt.Sprintf("database %q does not exist at %s", t.database, t.address)
	case "42501":
		return fmt.Sprintf("user %q may not connect to database %q at %s; run: GRANT CONNECT ON DATABASE %s TO %s",
			t.user, t.database, t.address, Quote(t.database), Quote(t.user))
	case "53300":
		return fmt.Sprintf("PostgreSQL at %s has no connection left for user %q: %s (see max_connections, and the CONNECTION LIMIT of role and database)",
			t.address, t.user, e.Message)
	case "57P03", "57P01", "57P02":
		return fmt.Sprintf("PostgreSQL at %s does not serve now: %s", t.address, e.Message)
	}
	return fmt.Sprintf("PostgreSQL at %s refuses the connection of user %q to database %q: %s (SQLSTATE %s)",
		t.address, t.user, t.database, e.Message, e.Code)
}

// refusalIn finds what counts of several attempts: one without TLS, say, is not the
// reason where the one with TLS got as far as the password.
func refusalIn(err error) *pgconn.PgError {
	var found *pgconn.PgError
	for _, e := range leaves(err) {
		var refused *pgconn.PgError
		if errors.As(e, &refused) && (found == nil || found.Code == "28000") {
			found = refused
		}
	}
	return found
}

// notAuthorized tells two reasons with one code apart, by the routine of the server:
// messages may be in any language.
func (t target) notAuthorized(e *pgconn.PgError) string {
	switch {
	case e.Routine == "InitializeSessionUserId" && !strings.Contains(e.Message, "not permitted"):
		return fmt.Sprintf("PostgreSQL at %s does not let user %q in: %s; run: CREATE ROLE %s LOGIN", t.address, t.user, e.Message, Quote(t.user))
	case strings.Contains(e.Message, "no encryption"), strings.Contains(e.Message, "SSL off"):
		return fmt.Sprintf("PostgreSQL at %s does not let user %q in without TLS: %s (PGSSLMODE=require asks for TLS)", t.address, t.user, e.Message)
	}
	return fmt.Sprintf("PostgreSQL at %s does not let user %q in: %s", t.address, t.user, e.Message)
}

// unreachable says why no server answered.
func (t target) unreachable(err error) string {
	var password *PasswordError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.As(err, &password):
		return password.Error()
	case errors.As(err, &certificate):
		return fmt.Sprintf("the certificate of PostgreSQL at %s is not trusted: %v", t.address, certificate.Err)
	case strings.Contains(err.Error(), "server refused TLS connection"): // the driver has no type for it
		return fmt.Sprintf("PostgreSQL at %s does not offer TLS, which PGSSLMODE or sslmode asks for", t.address)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("the host of the database does not resolve: %s: no such host (%s)", name.Name, t.address)
	case errors.As(err, &name):
		return fmt.Sprintf("the host of the database does not resolve: %s: %s (%s)", name.Name, name.Err, t.address)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("no PostgreSQL listens at %s", t.address)
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return fmt.Sprintf("PostgreSQL at %s does not answer", t.address)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("PostgreSQL at %s, or what stands before it, hangs up", t.address)
	case errors.As(err, &network):
		return fmt.Sprintf("PostgreSQL at %s is not reachable: %v", t.address, network.Err)
	}
	all := leaves(err)
	return fmt.Sprintf("the connection to PostgreSQL at %s fails: %v", t.address, all[len(all)-1])
}

// leaves are the innermost errors of those that were joined, in order: without the
// addresses of the attempts around them.
func leaves(err error) []error {
	switch e := err.(type) { //nolint:errorlint // it takes the chain apart
	case interface{ Unwrap() []error }:
		var all []error
		for _, inner := range e.Unwrap() {
			all = append(all, leaves(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return leaves(inner)
		}
	}
	return []error{err}
}

// Quote writes a name as SQL wants it.
func Quote(name string) string { return pgx.Identifier{name}.Sanitize() }
