package install_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/internal/postgres"
	"mckinsey.com/ark/test/process"
)

// credentials is the Secret of the documented command line.
const credentials = "postgresql-credentials"

// postgresqlFlags are those of the documented command line.
var postgresqlFlags = []string{
	"--set", "storage.backend=postgresql", "--set", "storage.postgresql.host=postgresql",
	"--set", "storage.postgresql.user=postgres", "--set", "storage.postgresql.passwordSecretName=" + credentials,
}

// database is a PostgreSQL of the test's own, which the cluster knows as the Service
// postgresql.
type database struct {
	server   *postgres.Server
	line     *process.Line
	url      string // from this machine
	password string
}

// startDatabase starts the server and makes the Service, but no Secret.
func startDatabase(t *testing.T, i *installation) *database {
	t.Helper()
	dir, err := os.MkdirTemp("", "ark-database-") // not below a folder that its user may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	server, err := postgres.Start(t.Context(), postgres.Options{
		DataDir: filepath.Join(dir, "data"), DieWithParent: true, NoSync: true,
		Settings: map[string]string{"fsync": "off"},
	})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	d := &database{server: server, url: server.URL()}
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	d.password, _ = u.User.Password()
	d.line = process.NewLine(t, net.JoinHostPort(os.Getenv("NODE_IP"), "0"), func() (string, string) { return "tcp", u.Host })
	// The role of the documented command line.
	d.exec(t, "postgres", fmt.Sprintf("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '%s'", d.password))
	i.outside(t, namespace, "postgresql", 5432, d.line.Port())
	return d
}

// secret writes a password where the Pods look for it.
func (d *database) secret(t testing.TB, i *installation, password string) {
	t.Helper()
	out := i.Run(t, "", "create", "secret", "generic", credentials, "-n", namespace, "--from-literal=password="+password, "--dry-run=client", "-o", "yaml")
	i.Run(t, out, "apply", "-f", "-")
}

// connect opens a connection to a database of the server.
func (d *database) connect(t testing.TB, name string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(d.url)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = name
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("connect to %s: %v", name, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (d *database) exec(t testing.TB, name, statement string) {
	t.Helper()
	if _, err := d.connect(t, name).Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// ask runs a statement that gives one value.
func ask[T any](t testing.TB, d *database, name, statement string) (value T) {
	t.Helper()
	conn := d.connect(t, name)
	if err := conn.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}
