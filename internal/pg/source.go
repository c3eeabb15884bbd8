package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"
)

// Source says where a database is and how to log in there. All connections of this
// program are made from one.
type Source struct {
	// URL is a connection URL, or keywords and values. What it does not say is taken
	// from the environment (PGHOST, PGUSER, PGSSLMODE ...) as libpq does; it may be
	// empty.
	URL string
	// PasswordFile holds the password, and is read for every connection: one that has
	// changed counts at once. Empty: the password is that of URL or the environment.
	PasswordFile string
}

// AddFlags adds the flags that every command with a database has.
func (s *Source) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&s.URL, "database-url", s.URL, "PostgreSQL 15 or newer, as postgres://user:password@host/database; what it does not say is taken from the environment (PGHOST, PGUSER, PGPASSWORD ...)")
	f.StringVar(&s.PasswordFile, "database-password-file", s.PasswordFile, "file with the password for the database, read for every new connection, so that it may come or change while the process runs (default the password of --database-url or the environment)")
}

// Config returns how to connect. The password is not in it but read by each
// connection. An error is one of the URL or the environment.
func (s Source) Config() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(s.URL)
	if err != nil {
		return nil, s.badURL(err)
	}
	config.ConnectTimeout = DefaultConnectTimeout
	return config, s.complete(config)
}

func (s Source) poolConfig() (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		return nil, s.badURL(err)
	}
	return config, s.complete(config.ConnConfig)
}

// errAmbiguous: a password with @ in it would be taken for a part of the host, and
// be told as such.
var errAmbiguous = errors.New("parse the database url: there is an @ in its host; a password in it must be percent-encoded")

func (s Source) complete(config *pgx.ConnConfig) error {
	if strings.Contains(config.Host, "@") {
		return errAmbiguous
	}
	if s.PasswordFile == "" {
		return nil
	}
	// The driver hands in the configuration of this one connection, a copy, before it
	// logs in. So whoever copies the configuration reads the file too.
	config.AfterNetConnect = func(_ context.Context, config *pgconn.Config, conn net.Conn) (net.Conn, error) {
		password, err := readPassword(s.PasswordFile)
		if err != nil {
			return conn, err
		}
		config.Password = password
		return conn, nil
	}
	return nil
}

// badURL says what is wrong with the settings, without the text of a URL that may
// hold a password: what cannot be parsed cannot be masked for certain either.
func (s Source) badURL(err error) error {
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return fmt.Errorf("read what the database settings name: %w", file)
	case mayHoldPassword(s.URL):
		return errors.New("parse the database url: it is malformed; a password in it must be percent-encoded")
	}
	return fmt.Errorf("parse the database url: %w", err)
}

func mayHoldPassword(url string) bool {
	_, rest, _ := strings.Cut(url, "://")
	user := rest[:max(0, strings.LastIndex(rest, "@"))]
	return strings.Contains(user, ":") || strings.Contains(strings.ToLower(url), "pass")
}

// PasswordError says that there is no password to connect with.
type PasswordError struct{ err error }

func (e *PasswordError) Error() string { return "read the password of the database: " + e.err.Error() }

// Unwrap returns the error of the file.
func (e *PasswordError) Unwrap() error { return e.err }

// readPassword reads a password, without the newline that editors and `echo` leave.
func readPassword(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", &PasswordError{err}
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" {
		return "", &PasswordError{fmt.Errorf("%s is empty", path)}
	}
	return password, nil
}
