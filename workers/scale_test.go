package workers

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/gen/db"
)

// A cancel finds its entry by the key, at any length of the queue, and the Query
// ends before all that wait.
func TestCancelAtTheEndOfALongQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := newGate()
	f.start(g, func(o *Options) { o.Concurrency = 1 })
	f.create(newQuery("team", "busy"))
	f.next(g.began)
	const n = 10000
	arg := db.EnqueueParams{Now: time.Now()}
	for i := range n {
		arg.Keys = append(arg.Keys, fmt.Sprintf("team/q-%d", i))
		arg.Uids = append(arg.Uids, fmt.Sprint(i))
		arg.Namespaces = append(arg.Namespaces, "team")
		arg.Ranks = append(arg.Ranks, 0)
		arg.WaitMs = append(arg.WaitMs, 3_600_000)
	}
	if err := f.db.Enqueue(f.ctx, f.pool, arg); err != nil {
		t.Fatal(err)
	}
	q := f.create(newQuery("team", "last"))
	f.update(key(q), cancelQuery)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	if depth := f.queue(); depth["queued"] != n || len(g.began) > 0 || len(f.runs(q)) > 0 {
		t.Errorf("the queue is %v, %d executions began", depth, len(g.began))
	}
}

// 51 tenants create 100 queries each at once, 16 KiB large: a worker process
// answers all of them, begins the first of each tenant in the first round, and
// needs no more memory than for what it executes.
func TestManyTenantsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	const tenants, slots = 51, 32
	each, raced := 100, underRace()
	if raced { // ten times as slow, and as large
		each = 10
	}
	f := newFixture(t)
	input := apiextensionsv1.JSON{Raw: []byte(`"` + strings.Repeat("x", 16<<10) + `"`)}
	var creators sync.WaitGroup
	for tenant := range tenants {
		creators.Go(func() {
			for i := range each {
				f.create(newQuery(fmt.Sprintf("tenant-%d", tenant), fmt.Sprintf("q-%d", i), func(q *arkv1alpha1.Query) {
					q.Spec.Input = input
				}))
			}
		})
	}
	creators.Wait()
	process, _ := startProcess(t, modeCount, slots, f.url)
	f.within(5*deadline, "the queue is empty", func() bool { return len(f.queue()) == 0 })
	f.checkAllAnswered(int64(tenants * each))
	f.checkFirsts(tenants, tenants+2*slots)

	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // it was killed
	usage, ok := process.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("this system does not tell how much memory a process used")
	}
	t.Logf("the process used %d MiB at most", usage.Maxrss>>10)
	// All inputs together are 80 MiB, and their JSON would be there several times.
	if most := int64(200 << 10); !raced && usage.Maxrss > most {
		t.Errorf("the process used %d KiB, more than %d", usage.Maxrss, most)
	}
}

// underRace tells whether the tests were built with the race detector.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func (f *fixture) checkAllAnswered(n int64) {
	f.Helper()
	var answered int64
	err := f.pool.QueryRow(f.ctx, "SELECT count(*) FROM ark.queries WHERE phase = 'done'").Scan(&answered)
	if err != nil || answered != n {
		f.Errorf("%d of %d were answered, %v", answered, n, err)
	}
}

// checkFirsts holds that the first Query of each tenant was begun among the first ones.
func (f *fixture) checkFirsts(tenants, latest int64) {
	f.Helper()
	const text = `SELECT count(*), max(first)::bigint FROM (
		SELECT namespace, min(place) AS first
		FROM (SELECT namespace, row_number() OVER (ORDER BY started_at) AS place FROM ark.runs) r
		GROUP BY namespace) t`
	var n, last int64
	f.eventually("every tenant has begun", func() bool { // the trail is written behind the status
		if err := f.pool.QueryRow(f.ctx, text).Scan(&n, &last); err != nil {
			f.Fatal(err)
		}
		return n == tenants
	})
	if last > latest {
		f.Errorf("a tenant's first Query was begun as number %d, after more than %d", last, latest)
	}
}
