package dev_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/pg"
	"mckinsey.com/ark/internal/pgtest"
	"mckinsey.com/ark/internal/store"

	"mckinsey.com/ark/test/process"
)

const (
	finishedQueries = 100_000
	// heapAllowance is how much more heap the server may use for them, in bytes.
	heapAllowance = 20 << 20
)

// TestFinishedQueriesTakeNoMemory fills the database with finished Queries, from
// another process (this one), and looks at the heap of the server: a kind that is
// served directly costs nothing at rest.
func TestFinishedQueriesTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 queries")
	}
	url := pgtest.URL(t)
	d := startDev(t, "--database-url", url, "--modules", "server,controllers")
	listQueries(t, d, 0)
	empty := heapInUse(t, d)
	writeFinished(t, url, finishedQueries)
	listQueries(t, d, finishedQueries)
	full := heapInUse(t, d)
	t.Logf("heap in use: %.1f MiB with no query, %.1f MiB with %d", mib(empty), mib(full), finishedQueries)
	if full > empty+heapAllowance {
		t.Fatalf("%d finished queries take %.1f MiB of heap, allowed are %.0f", finishedQueries, mib(full-empty), mib(heapAllowance))
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// listQueries reads a page: what remains must be right.
func listQueries(t *testing.T, d *dev, want int) {
	t.Helper()
	d.Eventually(t, time.Minute, "the list counts all queries", func() error {
		var page struct {
			Metadata struct {
				RemainingItemCount int `json:"remainingItemCount"`
			} `json:"metadata"`
			Items []struct{} `json:"items"`
		}
		raw, err := d.Try("", "get", "--raw", "/apis/ark.mckinsey.com/v1alpha1/queries?limit=50")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(raw), &page); err != nil {
			return err
		}
		if got := len(page.Items) + page.Metadata.RemainingItemCount; got != want {
			return fmt.Errorf("%d queries, want %d", got, want)
		}
		return nil
	})
}

var heapLine = regexp.MustCompile(`# HeapInuse = (\d+)`)

// heapInUse asks the server for its heap after a collection.
func heapInUse(t *testing.T, d *dev) int64 {
	t.Helper()
	out := d.Run(t, "", "get", "--raw", "/debug/pprof/heap?gc=1&debug=1")
	match := heapLine.FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("no HeapInuse in:\n%s", process.Tail(out, 40))
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func writeFinished(t *testing.T, url string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	pool, err := pg.NewPool(ctx, url, pg.Options{ApplicationName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	objects := store.Open(ctx, pool, store.Options{})
	defer objects.Close()
	names := make(chan int)
	var writers sync.WaitGroup
	for range 256 {
		writers.Go(func() {
			for i := range names {
				if _, err := objects.Write(ctx, finished(i)); err != nil {
					t.Errorf("write query %d: %v", i, err)
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case names <- i:
		case <-ctx.Done():
			t.Fatal("writing took too long")
		}
	}
	close(names)
	writers.Wait()
}

// finished is the write of a Query that is done, with an answer of 1 KiB.
func finished(i int) store.Write {
	now := metav1.Now()
	q := &arkv1alpha1.Query{
		TypeMeta: metav1.TypeMeta{APIVersion: arkv1alpha1.GroupVersion.String(), Kind: "Query"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("tenant-%d", i%100), Name: fmt.Sprintf("query-%06d", i),
			UID: types.UID(fmt.Sprintf("uid-%06d", i)), CreationTimestamp: now, Generation: 1,
		},
		Spec: arkv1alpha1.QuerySpec{
			Input:  apiextensionsv1.JSON{Raw: []byte(`"What?"`)},
			Target: &arkv1alpha1.QueryTarget{Type: arkv1alpha1.TargetAgent, Name: "echo"},
		},
		Status: arkv1alpha1.QueryStatus{
			Phase:    arkv1alpha1.QueryDone,
			Response: &arkv1alpha1.Response{Content: strings.Repeat("answer ", 150)},
			Conditions: []metav1.Condition{{
				Type: arkv1alpha1.ConditionCompleted, Status: metav1.ConditionTrue,
				Reason: arkv1alpha1.ReasonQuerySucceeded, LastTransitionTime: now,
			}},
		},
	}
	body, err := json.Marshal(q)
	if err != nil {
		panic(err) // a plain struct
	}
	return store.Write{
		Resource: arkv1alpha1.Resource("queries").String(), Key: q.Namespace + "/" + q.Name,
		Body: body, Query: store.QueryChangeOf(nil, q, now.Time),
	}
}
