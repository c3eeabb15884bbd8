package store

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func pgNetwork(host string, port uint16) (network, address string) {
	if strings.HasPrefix(host, "/") {
		return "unix", filepath.Join(host, fmt.Sprintf(".s.PGSQL.%d", port))
	}
	return "tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// TestLostAnswerToCommit: whether the commit happened or not before its connection
// was lost, the write is done exactly once and gets its revision, and nobody is
// told of a conflict with himself.
func TestLostAnswerToCommit(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]cut{"the commit was lost": beforeCommit, "the answer was lost": afterCommit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, pool, direct := behindProxy(t)
			s := open(t, pool)
			first := put(t, s, "ns/a", 0, "one")
			p.cutNext(where)
			second, err := s.Write(within(t), Write{Resource: things, Key: "ns/a", Expect: first, Body: []byte("two")})
			if err != nil {
				t.Fatal(err)
			}
			if o, _, err := s.Get(within(t), things, "ns/a"); err != nil || o.RV != second || string(o.Body) != "two" {
				t.Errorf("stored is revision %d, %q (%v), want %d, \"two\"", o.RV, o.Body, err, second)
			}
			if second != first+1 {
				t.Errorf("revision %d after %d: written more than once", second, first)
			}
			checkInvariants(t, direct)
		})
	}
}

// TestUnknownOutcomeIsSaid: the answer to a commit is lost, and the database stays
// away: the outcome is unknown, which is neither a conflict nor "not written".
func TestUnknownOutcomeIsSaid(t *testing.T) {
	t.Parallel()
	p, pool, direct := behindProxy(t)
	s := open(t, pool, func(o *Options) { o.WriteTimeout = 300 * time.Millisecond })
	put(t, s, "ns/a", 0, "one")
	p.cutNext(forGood)
	_, err := s.Write(within(t), Write{Resource: things, Key: "ns/b", Body: []byte("two")})
	if !errors.Is(err, ErrUnknownOutcome) {
		t.Fatalf("got %v, want %v", err, ErrUnknownOutcome)
	}
	eventually(t, "the write whose answer was lost is there", func() (bool, error) {
		return query[int64](t, direct, "SELECT count(*) FROM ark.objects WHERE key = 'ns/b'") == 1, nil
	})
}
