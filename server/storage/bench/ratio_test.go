package bench

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
)

var (
	benchStorage = flag.Bool("bench-storage", false, "run the storage benchmarks and print the ratios")
	benchTime    = flag.String("bench-time", "1s", "how long each benchmark runs, as -benchtime")
)

// TestBenchStorage runs the benchmarks of this package in a process of their own,
// and prints, for each measure, what etcd and PostgreSQL did, and the ratio.
func TestBenchStorage(t *testing.T) {
	if !*benchStorage {
		t.Skip("only with -bench-storage")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$", "-test.bench=.", "-test.benchtime="+*benchTime)
	cmd.Stderr = io.Discard // etcd's client complains there of servers that were stopped
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	results, err := readResults(io.TeeReader(stdout, os.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("benchmarks: %v", err)
	}
	printed, err := printRatios(os.Stdout, results)
	if err != nil {
		t.Fatal(err)
	}
	if printed == 0 {
		t.Error("nothing was measured over both stores")
	}
}

// measure is one number of one benchmark, named without the store.
type measure struct{ benchmark, unit string }

// results are the numbers of each measure by store.
type results struct {
	order  []measure
	values map[measure]map[string]float64
}

// readResults reads the output of go test -bench.
func readResults(r io.Reader) (*results, error) {
	out := &results{values: map[measure]map[string]float64{}}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, store, ok := splitStore(fields[0])
		if !ok {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", lines.Text(), err)
			}
			out.add(measure{name, fields[i+1]}, store, value)
		}
	}
	return out, lines.Err()
}

// splitStore takes the part that names the store out of a benchmark's name.
func splitStore(full string) (name, store string, ok bool) {
	var parts []string
	full = strings.TrimRight(strings.TrimRight(full, "0123456789"), "-") // the number of CPUs
	for _, part := range strings.Split(strings.TrimPrefix(full, "Benchmark"), "/") {
		if s, found := strings.CutPrefix(part, "store="); found {
			store = s
			continue
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "/"), store, store != ""
}

func (r *results) add(m measure, store string, value float64) {
	if r.values[m] == nil {
		r.values[m] = map[string]float64{}
		r.order = append(r.order, m)
	}
	r.values[m][store] = value
}

// printRatios prints what both stores did, and how many times as good PostgreSQL
// is: above 1 it is better, whichever way the unit counts.
func printRatios(w io.Writer, r *results) (printed int, err error) {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\nbenchmark\tunit\tetcd\tpostgresql\ttimes as good")
	for _, m := range r.order {
		etcd, pg := r.values[m]["etcd"], r.values[m]["postgresql"]
		if etcd == 0 || pg == 0 || !slices.Contains([]string{"ns/op", "writes/s", "list-objs/s", "watch-events/s"}, m.unit) {
			continue
		}
		ratio := pg / etcd
		if m.unit == "ns/op" {
			ratio = etcd / pg
		}
		fmt.Fprintf(table, "%s\t%s\t%.0f\t%.0f\t%.2f\n", m.benchmark, m.unit, etcd, pg, ratio)
		printed++
	}
	return printed, table.Flush()
}

func TestRatios(t *testing.T) {
	t.Parallel()
	const output = `goos: linux
BenchmarkStoreStats/store=etcd-2         	     100	      2000 ns/op
BenchmarkStoreStats/store=postgresql-2   	     100	      1000 ns/op
BenchmarkStoreCreate/store=etcd/clients=1-2         	    2054	   1122851 ns/op	       100.0 writes/s
BenchmarkStoreCreate/store=postgresql/clients=1-2         	    2054	   1122851 ns/op	       50.0 writes/s
PASS`
	r, err := readResults(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if n, err := printRatios(&out, r); err != nil || n != 3 {
		t.Fatalf("%d lines, %v", n, err)
	}
	for _, want := range []string{"StoreStats", "2.00", "StoreCreate/clients=1 ", "0.50", "1.00"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
