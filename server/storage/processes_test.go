package storage

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"

	"mckinsey.com/ark/internal/pgtest"
)

// Environment of a process that the test starts from its own binary.
const (
	processName  = "ARK_TEST_STORAGE_PROCESS"
	processURL   = "ARK_TEST_STORAGE_URL"
	processAfter = "ARK_TEST_STORAGE_AFTER"
)

// stopKey is the object whose creation ends the processes.
const stopKey = "/pods/stop/stop"

func TestMain(m *testing.M) {
	if name := os.Getenv(processName); name != "" {
		if err := runProcess(context.Background(), name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runProcess writes and watches until the stop object is created. It says what it
// saw and what it wrote, a line each.
func runProcess(ctx context.Context, name string) error {
	pool, err := pgxpool.New(ctx, os.Getenv(processURL))
	if err != nil {
		return err
	}
	defer pool.Close()
	s, closeStore, err := openPods(ctx, pool)
	if err != nil {
		return err
	}
	defer closeStore()
	w, err := s.Watch(ctx, "/pods/", storage.ListOptions{
		ResourceVersion: os.Getenv(processAfter), Recursive: true, Predicate: storage.Everything})
	if err != nil {
		return err
	}
	defer w.Stop()
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	for n := range 4 {
		go writePods(ctx, s, fmt.Sprintf("%s-%d", name, n), say)
	}
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			return fmt.Errorf("watch failed: %v", event.Object)
		}
		pod := event.Object.(runtime.CacheableObject).GetObject().(*example.Pod)
		say("saw %s %s %s", pod.ResourceVersion, event.Type, pod.Name)
		if pod.Name == "stop" {
			return nil
		}
	}
	return fmt.Errorf("watch ended")
}

// writePods creates, updates and deletes one pod after the other.
func writePods(ctx context.Context, s storage.Interface, name string, say func(string, ...any)) {
	for i := 0; ; i++ {
		pod := &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprintf("%s-%d", name, i)}}
		key, out := "/pods/ns/"+pod.Name, &example.Pod{}
		if err := s.Create(ctx, key, pod, out, 0); err != nil {
			return
		}
		say("wrote %s", out.ResourceVersion)
		update := storage.SimpleUpdate(func(obj runtime.Object) (runtime.Object, error) {
			obj.(*example.Pod).Labels = map[string]string{"updated": "true"}
			return obj, nil
		})
		if err := s.GuaranteedUpdate(ctx, key, out, false, nil, update, nil); err != nil {
			return
		}
		say("wrote %s", out.ResourceVersion)
		if err := s.Delete(ctx, key, out, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{}); err != nil {
			return
		}
		say("wrote %s", out.ResourceVersion)
	}
}

// process is a started process and what it has said so far.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu          sync.Mutex
	saw, wrote  []string
	sawRevision string // of the last event that it saw
}

func startProcess(t *testing.T, url, name, after string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), done: make(chan struct{}), sawRevision: after}
	p.cmd.Env = append(os.Environ(), processName+"="+name, processURL+"="+url, processAfter+"="+after)
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go p.read(stdout)
	return p
}

func (p *process) read(stdout io.Reader) {
	defer close(p.done)
	r := bufio.NewReader(stdout)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // what is left is no whole line
			return
		}
		p.hear(strings.Fields(line))
	}
}

func (p *process) hear(words []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch words[0] {
	case "saw":
		p.saw = append(p.saw, strings.Join(words[1:], " "))
		p.sawRevision = words[1]
	case "wrote":
		p.wrote = append(p.wrote, words[1])
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // SIGKILL; it may have ended
	<-p.done
	_ = p.cmd.Wait()
}

func (p *process) events() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.saw)
}

func (p *process) writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.wrote)
}

// TestTwoProcesses: two processes on one database write and watch as if they were
// one. One of them is killed in the middle of it, and its successor goes on where
// it was: nothing is lost, nothing comes twice, all see the same order.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	a, b := startProcess(t, url, "a", "1"), startProcess(t, url, "b", "1")
	await(t, "both are under way", func() bool { return a.events() > 300 && b.events() > 300 })
	a.kill()
	killedAt := b.events()
	await(t, "the other goes on alone", func() bool { return b.events() > killedAt+100 })
	successor := startProcess(t, url, "c", a.sawRevision)
	await(t, "the successor has caught up and writes", func() bool { return successor.events() > 300 && successor.writes() > 30 })

	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s, closeStore, err := openPods(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeStore)
	stop := &example.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "stop", Name: "stop"}}
	if err := s.Create(t.Context(), stopKey, stop, nil, 0); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*process{b, successor} {
		<-p.done
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("process: %v", err)
		}
	}
	want := recorded(t, pool, b.sawRevision)
	compare(t, "the one that lived", b.saw, want)
	compare(t, "the one that was killed, and its successor", append(slices.Clone(a.saw), successor.saw...), want)
	there := map[string]bool{}
	for _, e := range recorded(t, pool, "9000000000000000000") {
		rv, _, _ := strings.Cut(e, " ")
		there[rv] = true
	}
	for name, p := range map[string]*process{"a": a, "b": b, "c": successor} {
		for _, rv := range p.wrote {
			if !there[rv] {
				t.Errorf("%s was told that revision %s was written, but there is no such event", name, rv)
			}
		}
	}
}

// recorded returns the events as the database has them, in the form of a process.
func recorded(t *testing.T, pool *pgxpool.Pool, upTo string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT rv || ' ' ||
			CASE WHEN body IS NULL THEN 'DELETED' WHEN prev_body IS NULL THEN 'ADDED' ELSE 'MODIFIED' END ||
			' ' || substring(key FROM '[^/]*$')
		FROM ark.events WHERE rv <= $1::bigint ORDER BY rv`, upTo)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var events []string
	for rows.Next() {
		var e string
		if err := rows.Scan(&e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

func compare(t *testing.T, who string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: event %d is %q, want %q", who, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d events, want %d", who, len(got), len(want))
	}
}

// await polls a condition until it holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
