package workers

import (
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	testclock "k8s.io/utils/clock/testing"
)

// A clock that differs from the database's by more than a third of a lease is
// warned of, in either direction.
func TestClocksAreCompared(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, test := range map[string]struct {
		ahead time.Duration
		warns bool
	}{
		"in step":     {0, false},
		"a bit ahead": {10 * time.Minute, false},
		"far ahead":   {30 * time.Minute, true},
		"far behind":  {-30 * time.Minute, true},
	} {
		w, err := New(Options{
			Pool: f.pool, Store: f.store, Runner: newGate(), LeaseDuration: time.Hour,
			Clock: testclock.NewFakeClock(time.Now().Add(test.ahead)),
		})
		if err != nil {
			t.Fatal(err)
		}
		log := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
		if _, err := w.register(klog.NewContext(f.ctx, log)); err != nil {
			t.Fatal(err)
		}
		said := log.GetSink().(ktesting.Underlier).GetBuffer().String()
		if strings.Contains(said, "synchronise") != test.warns {
			t.Errorf("%s: said %q", name, said)
		}
	}
}
