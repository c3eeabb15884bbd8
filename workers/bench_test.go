package workers

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/internal/pgtest"
)

// BenchmarkQueue measures the queue alone: Queries are created, leased, given both
// status writes by worker processes whose executions end at once, and leave the
// queue. The database waits for the disk at each commit.
func BenchmarkQueue(b *testing.B) {
	for _, processes := range []int{1, 2} {
		b.Run(fmt.Sprintf("processes=%d", processes), func(b *testing.B) { benchmarkQueue(b, processes) })
	}
}

func benchmarkQueue(b *testing.B, processes int) {
	klog.LogToStderr(false)
	f := openFixture(b, pgtest.Durable(b))
	for range processes {
		startProcess(b, modeCount, 256, f.url)
	}
	// The processes are there once they have executed something.
	f.create(newQuery("warm", "up"))
	f.queueEmpty()
	owned := ownedQuery(b).ManagedFields
	b.ResetTimer()
	var creators sync.WaitGroup
	const creating = 64
	for c := range creating {
		creators.Go(func() {
			for i := c; i < b.N; i += creating {
				q := newQuery(fmt.Sprintf("ns-%d", c%10), fmt.Sprintf("q-%d", i))
				q.ManagedFields = owned
				f.create(q)
			}
		})
	}
	creators.Wait()
	created := b.Elapsed()
	f.within(10*time.Minute, "the queue is empty", func() bool { return len(f.queue()) == 0 })
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	b.ReportMetric(float64(b.N)/created.Seconds(), "created/s")
}
