package dev_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mckinsey.com/ark/test/kubectl"
	"mckinsey.com/ark/test/openai"
	"mckinsey.com/ark/test/process"
)

// TestKilledInTheMiddle kills the whole of `ark dev` with 100 queries running,
// starts it again over the same data, and expects each to be answered once.
func TestKilledInTheMiddle(t *testing.T) {
	const n = 100
	m := openai.Start(t)
	d := startDev(t, "--concurrency", "128", "--lease-duration", "5s")
	d.Run(t, m.Manifests(), "create", "-f", "-")
	release := m.Hold()
	defer release()
	d.Run(t, manyQueries(n), "create", "-f", "-")
	d.Eventually(t, time.Minute, "100 queries are with the model", func() error {
		if asked := m.Asked("question "); asked != n {
			return fmt.Errorf("%d are", asked)
		}
		return nil
	})
	d.kill()
	release()
	d.start()
	d.waitReady()
	d.Eventually(t, 2*time.Minute, "100 queries are done", func() error { return allDone(d, n) })

	answers := d.Run(t, "", "get", "queries", "-o",
		`jsonpath={range .items[*]}{.metadata.name}{"\t"}{.status.response.content}{"\t"}{.status.conditions[?(@.type=="Completed")].status}{"\n"}{end}`)
	for i := range n {
		kubectl.Contain(t, answers, fmt.Sprintf("query-%03d\tanswer to question %d\tTrue\n", i, i))
	}
	if err := d.stop(); err != nil {
		t.Fatalf("stop by interrupt: %v\n%s", err, process.Tail(d.log.String(), 40))
	}
}

func manyQueries(n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString("---\n" + openai.QueryManifest(fmt.Sprintf("query-%03d", i), fmt.Sprintf("question %d", i)))
	}
	return all.String()
}

func allDone(d *dev, n int) error {
	out, err := d.Try("", "get", "queries", "-o", `jsonpath={range .items[*]}{.status.phase}{"\n"}{end}`)
	if err != nil {
		return err
	}
	if done := strings.Count(out, "done\n"); done != n {
		return fmt.Errorf("%d of %d are done", done, n)
	}
	return nil
}

// TestDatabaseKilled kills the PostgreSQL that `ark dev` runs: it must come back
// by itself, and an open watch must deliver everything, once.
func TestDatabaseKilled(t *testing.T) {
	d := startDev(t)
	d.Run(t, kubectl.ConfigMapManifest, "create", "-f", "-")
	seen := d.watchData(t)
	d.Run(t, "", "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"n":"before"}}`)
	await(t, seen, "before")

	pid := postmasterPID(t, d.dataDir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
	d.Eventually(t, 2*time.Minute, "writes work again", func() error {
		_, err := d.Try("", "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"n":"after"}}`)
		if err != nil && strings.Contains(err.Error(), "NotFound") {
			t.Fatalf("a database that is away was taken for an object that is not there: %v", err)
		}
		return err
	})
	await(t, seen, "after")
	if postmasterPID(t, d.dataDir) == pid {
		t.Fatal("PostgreSQL has the same process id: it was not killed")
	}
}

// watchData follows a ConfigMap with the raw watch of one connection.
func (d *dev) watchData(t *testing.T) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	cmd := d.Command(ctx, "get", "configmap", "settings", "-w", "-o", "json", "--output-watch-events")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 100)
	go func() {
		defer close(seen)
		decoder := json.NewDecoder(bufio.NewReader(out))
		for {
			var event struct {
				Type   string `json:"type"`
				Object struct {
					Data map[string]string `json:"data"`
				} `json:"object"`
			}
			if decoder.Decode(&event) != nil {
				_ = cmd.Wait()
				return
			}
			seen <- event.Object.Data["n"]
		}
	}()
	return seen
}

// await takes events until the wanted one, which must come exactly once.
func await(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	for {
		select {
		case got, ok := <-seen:
			if !ok {
				t.Fatalf("the watch ended before %q", want)
			}
			if got == want {
				return
			}
		case <-time.After(time.Minute):
			t.Fatalf("the watch did not deliver %q", want)
		}
	}
}

// postmasterPID finds the server process by the file that PostgreSQL keeps.
func postmasterPID(t *testing.T, dataDir string) int {
	t.Helper()
	var found string
	err := filepath.WalkDir(dataDir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Name() == "postmaster.pid" {
			found = path
		}
		return nil
	})
	if err != nil || found == "" {
		t.Fatalf("no postmaster.pid below %s: %v", dataDir, err)
	}
	content, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("process id in %s: %v", found, err)
	}
	return pid
}

// TestRestartKeepsData stops and starts, and finds the same objects with the
// same versions.
func TestRestartKeepsData(t *testing.T) {
	d := startDev(t)
	d.Run(t, kubectl.AgentManifest, "create", "-f", "-")
	const path = "jsonpath={.metadata.uid} {.metadata.creationTimestamp} {.spec}"
	before := d.Run(t, "", "get", "agent", "weather", "-o", path)
	if err := d.stop(); err != nil {
		t.Fatalf("stop by interrupt: %v\n%s", err, process.Tail(d.log.String(), 40))
	}
	d.start()
	d.waitReady()
	if after := d.Run(t, "", "get", "agent", "weather", "-o", path); after != before {
		t.Fatalf("after a restart\n%s\nis\n%s", before, after)
	}
}
