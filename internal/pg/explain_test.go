package pg_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
)

// refusing answers whoever connects with an error, and returns its address.
func refusing(t *testing.T, answer *pgproto3.ErrorResponse) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			refuse(conn, answer)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

// refuse answers one connection; without an answer it hangs up.
func refuse(conn net.Conn, answer *pgproto3.ErrorResponse) {
	defer func() { _ = conn.Close() }()
	backend := pgproto3.NewBackend(conn, conn)
	for answer != nil {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, ok := message.(*pgproto3.SSLRequest); ok {
			if _, err := conn.Write([]byte("N")); err != nil {
				return
			}
			continue
		}
		backend.Send(answer)
		_ = backend.Flush() // who hung up gets no answer
		return
	}
}

func TestExplainRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer *pgproto3.ErrorResponse
		want   string // ADDRESS stands for that of the server
	}{
		"password":        {&pgproto3.ErrorResponse{Code: "28P01"}, `PostgreSQL refuses the password of user "u" at ADDRESS, or has no such role`},
		"no role":         {&pgproto3.ErrorResponse{Code: "28000", Message: `role "u" does not exist`, Routine: "InitializeSessionUserId"}, `PostgreSQL at ADDRESS does not let user "u" in: role "u" does not exist; run: CREATE ROLE "u" LOGIN`},
		"no login":        {&pgproto3.ErrorResponse{Code: "28000", Message: `role "u" is not permitted to log in`, Routine: "InitializeSessionUserId"}, `PostgreSQL at ADDRESS does not let user "u" in: role "u" is not permitted to log in`},
		"TLS is required": {&pgproto3.ErrorResponse{Code: "28000", Message: `no pg_hba.conf entry for host "h", no encryption`, Routine: "ClientAuthentication"}, `PostgreSQL at ADDRESS does not let user "u" in without TLS: no pg_hba.conf entry for host "h", no encryption (PGSSLMODE=require asks for TLS)`},
		"no database":     {&pgproto3.ErrorResponse{Code: "3D000"}, `database "d" does not exist at ADDRESS`},
		"no CONNECT":      {&pgproto3.ErrorResponse{Code: "42501"}, `user "u" may not connect to database "d" at ADDRESS; run: GRANT CONNECT ON DATABASE "d" TO "u"`},
		"too many":        {&pgproto3.ErrorResponse{Code: "53300", Message: "sorry, too many clients already"}, `PostgreSQL at ADDRESS has no connection left for user "u": sorry, too many clients already`},
		"starting":        {&pgproto3.ErrorResponse{Code: "57P03", Message: "the database system is starting up"}, `PostgreSQL at ADDRESS does not serve now: the database system is starting up`},
		"another":         {&pgproto3.ErrorResponse{Code: "08P01", Message: "no"}, `PostgreSQL at ADDRESS refuses the connection of user "u" to database "d": no (SQLSTATE 08P01)`},
		"hangs up":        {nil, "PostgreSQL at ADDRESS, or what stands before it, hangs up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := refusing(t, test.answer)
			for _, mode := range []string{"disable", "prefer"} {
				explains(t, fmt.Sprintf("postgres://u:secret@%s/d?sslmode=%s", at, mode), strings.ReplaceAll(test.want, "ADDRESS", at))
			}
		})
	}
}

func TestExplainWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	plain := refusing(t, &pgproto3.ErrorResponse{Code: "28P01"})
	for name, test := range map[string]struct{ url, want string }{
		"refused":   {"postgres://u:secret@" + nobody + "/d", "no PostgreSQL listens at " + nobody},
		"no socket": {"postgres:///d?user=u&port=5&host=" + url.QueryEscape(t.TempDir()), "no PostgreSQL listens at "},
		"no host":   {"postgres://u:secret@nowhere.invalid:5432/d", "the host of the database does not resolve: nowhere.invalid"},
		"no TLS":    {"postgres://u:secret@" + plain + "/d?sslmode=require", "PostgreSQL at " + plain + " does not offer TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			explains(t, test.url, test.want)
		})
	}
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "password")
		config, err := pg.Source{URL: "postgres://u@" + plain + "/d", PasswordFile: file}.Config()
		if err != nil {
			t.Fatal(err)
		}
		_, err = pgx.ConnectConfig(within(t), config)
		if got := pg.Explain(err).Error(); got != "read the password of the database: open "+file+": no such file or directory" {
			t.Errorf("got %q", got)
		}
	})
}

// TestExplainARealServer: the real one says what the table above takes for granted.
func TestExplainARealServer(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	user, missing := u.User.Username(), *u
	missing.Path = "/nowhere"
	explains(t, missing.String(), `database "nowhere" does not exist at `+u.Host)
	u.User = url.UserPassword(user, "secret")
	explains(t, u.String(), fmt.Sprintf("PostgreSQL refuses the password of user %q at %s", user, u.Host))
}

// explains connects in vain and looks at the explanation: always the same, the
// error stays what it was, and nothing tells the password.
func explains(t *testing.T, url, want string) {
	t.Helper()
	var first string
	for range 2 {
		_, err := pgx.Connect(within(t), url)
		explained := pg.Explain(fmt.Errorf("ask: %w", err))
		got := explained.Error()
		if !strings.HasPrefix(got, want) || first != "" && got != first {
			t.Errorf("got %q, want %q", got, want)
		}
		first = got
		var connect *pgconn.ConnectError
		if !errors.As(explained, &connect) || !pg.IsUnavailable(explained) {
			t.Errorf("%v lost its cause", explained)
		}
		detail := pg.Detail(explained)
		if !strings.HasPrefix(detail, got+"\n") || strings.Contains(detail, "secret") {
			t.Errorf("the detail is %q", detail)
		}
	}
}

func TestExplainLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, context.Canceled, errors.New("other"), fmt.Errorf("ask: %w", &pgconn.PgError{Code: "28P01"})} {
		if got := pg.Explain(err); got != err { //nolint:errorlint // the very same
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for number, want := range map[int32]string{
		90624:  "PostgreSQL 9.6.24 is too old: 15 or newer is needed",
		140009: "PostgreSQL 14.9 is too old: 15 or newer is needed",
		150000: "", 150018: "", 180001: "",
	} {
		var got string
		if err := pg.CheckVersion(number); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d: got %q, want %q", number, got, want)
		}
	}
}
