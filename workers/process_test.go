package workers

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/execution"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/store"
)

// The test binary is also the worker process that tests start and kill: with
// childEnvironment set to a mode, a concurrency and the database.
const childEnvironment = "ARK_TEST_WORKER_PROCESS"

// Modes of a worker process.
const (
	modeHang  = "hang"  // executions never end
	modeCount = "count" // executions end at once
)

func TestMain(m *testing.M) {
	if setting := os.Getenv(childEnvironment); setting != "" {
		if err := workerProcess(setting); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// workerProcess works until it is killed or its standard input is closed. Each
// execution that begins is told on standard output.
func workerProcess(setting string) error {
	mode, rest, _ := strings.Cut(setting, " ")
	slots, url, _ := strings.Cut(rest, " ")
	concurrency, err := strconv.Atoi(slots)
	if err != nil {
		return fmt.Errorf("read the concurrency: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pool, err := pg.NewPool(ctx, url, pg.Options{MaxConns: 8})
	if err != nil {
		return err
	}
	defer pool.Close()
	objects := store.Open(ctx, pool, store.Options{})
	defer objects.Close()
	var out sync.Mutex
	w, err := New(Options{
		Pool: pool, Store: objects, Concurrency: concurrency, LeaseDuration: 2 * time.Second, GracePeriod: -1,
		Runner: runnerFunc(func(ctx context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
			if mode == modeCount {
				return answer("counted")
			}
			out.Lock()
			fmt.Println("began", key(q))
			out.Unlock()
			<-ctx.Done()
			return cutOffOutcome(ctx, q)
		}),
	})
	if err != nil {
		return err
	}
	go func() {
		defer cancel()
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // its end is what is waited for
	}()
	return w.Run(ctx)
}

// startProcess starts a worker process, which dies with the test.
func startProcess(t testing.TB, mode string, concurrency int, url string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childEnvironment, mode, concurrency, url))
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone already
		_ = cmd.Wait()         // and was killed
	})
	return cmd, bufio.NewScanner(stdout)
}

// A process is killed in the middle of its executions: another takes all of them
// up, once the leases have expired.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 20
	var all []*arkv1alpha1.Query
	for i := range n {
		all = append(all, f.create(newQuery("team", fmt.Sprintf("q-%d", i))))
	}
	victim, output := startProcess(t, modeHang, n, f.url)
	for range n {
		if !output.Scan() {
			t.Fatalf("the process ended: %v", output.Err())
		}
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	f.start(runnerFunc(func(_ context.Context, q *arkv1alpha1.Query, _ execution.Recorder) execution.Outcome {
		return answer("answer to " + q.Name)
	}))
	f.queueEmpty()
	for _, q := range all {
		checkEnd(t, f.get(key(q)), arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
		f.eventually("its second run is done", func() bool {
			runs := f.runs(q)
			if len(runs) == 0 { // the trail is written behind the status
				return false
			}
			last := runs[len(runs)-1]
			return last.Attempt == 2 && last.Outcome == "done" && runs[0].Outcome != "running"
		})
	}
}
