// Package postgres finds a PostgreSQL installation and runs a server of its own
// on this machine, for people who have none: for `ark dev` and for tests.
//
// The server listens on 127.0.0.1 only and asks for a generated password. It
// runs as the user of the calling process; as root, which PostgreSQL refuses,
// it runs as the user postgres or, where there is none, as nobody.
package postgres
