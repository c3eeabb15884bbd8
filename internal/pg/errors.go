package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsUnavailable tells whether err says that the database could not be reached,
// went away, or cannot serve now: nothing is wrong with the request, and it may
// succeed later. The end of the caller's own context is no such error.
func IsUnavailable(err error) bool {
	// Also a password that is refused: it may be changing, and so far nothing was asked.
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return unavailableCode(e.Code)
	}
	var network net.Error
	switch {
	case err == nil:
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &network):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED):
		return true
	}
	// The driver's own errors of a closed connection have no type.
	return pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed") ||
		strings.Contains(err.Error(), "closed pool")
}

// unavailableCode: connection exceptions, shut-downs and start-ups, lack of
// resources, a session that was ended for idling, and a server that was demoted
// to a standby.
func unavailableCode(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P05", "25P03", "25006", "58030":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// IsConflict tells whether err says that the transaction ran into another one
// (deadlock, serialization, lock timeout) and may succeed when repeated.
func IsConflict(err error) bool {
	switch Code(err) {
	case "40001", "40P01", "55P03":
		return true
	}
	return false
}

// IsTimeout tells whether the server cancelled the statement because it took too long.
func IsTimeout(err error) bool { return Code(err) == "57014" }

// IsRefused tells whether the server refused the values themselves: bad
// encoding, a violated constraint, a value out of range. Repeating does not help.
func IsRefused(err error) bool {
	c := Code(err)
	return strings.HasPrefix(c, "22") || strings.HasPrefix(c, "23") || strings.HasPrefix(c, "54")
}

// ConstraintName returns the name of the constraint that err says was violated,
// or the empty string.
func ConstraintName(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) && strings.HasPrefix(e.Code, "23") {
		return e.ConstraintName
	}
	return ""
}

// IsFatal tells whether err ended the session: whatever was on its way may or
// may not have happened.
func IsFatal(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC"
	}
	return err != nil
}

// Code is the SQLSTATE that the server gave to err, or the empty string.
func Code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
