// Command report reads what `go test -json` prints, shows a line a package and
// all that failed, and ends with the line "N passed, N failed". It exits with 1
// if anything failed, and if nothing ran at all.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

func main() {
	depth := flag.Int("depth", -1, "count only tests with so many slashes in their name; -1: all that have no subtests")
	flag.Parse()
	r := newReport(*depth)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		r.line(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		r.broken("read the output of go test: " + err.Error())
	}
	os.Exit(r.end())
}

type key struct{ pkg, test string }

type report struct {
	depth   int
	results map[key]string
	parents map[key]bool
	output  map[key]*strings.Builder
	errors  int // packages that failed without a failed test: they did not compile, or a process died
	skipped int
}

func newReport(depth int) *report {
	return &report{depth: depth, results: map[key]string{}, parents: map[key]bool{}, output: map[key]*strings.Builder{}}
}

func (r *report) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		fmt.Println(string(line))
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.keep(k, e.Output)
	case "build-output":
		fmt.Print(e.Output)
	case "pass", "fail", "skip":
		r.ended(k, e)
	}
}

func (r *report) keep(k key, text string) {
	if r.output[k] == nil {
		r.output[k] = &strings.Builder{}
	}
	r.output[k].WriteString(text)
}

// ended notes a test's or a package's end, and prints what is worth seeing.
func (r *report) ended(k key, e event) {
	if k.test == "" {
		fmt.Printf("%-4s %s (%.1fs)\n", e.Action, e.Package, e.Elapsed)
		if e.Action == "fail" && !r.failedTest(k.pkg) {
			r.broken(r.text(k))
		}
		return
	}
	r.results[k] = e.Action
	for i := strings.LastIndexByte(k.test, '/'); i > 0; i = strings.LastIndexByte(k.test[:i], '/') {
		r.parents[key{k.pkg, k.test[:i]}] = true
	}
	if e.Action == "fail" || e.Action == "skip" {
		fmt.Print(r.text(k))
	}
	delete(r.output, k)
}

func (r *report) failedTest(pkg string) bool {
	for k, result := range r.results {
		if k.pkg == pkg && result == "fail" {
			return true
		}
	}
	return false
}

func (r *report) text(k key) string {
	if r.output[k] == nil {
		return ""
	}
	return r.output[k].String()
}

func (r *report) broken(text string) {
	fmt.Println(text)
	r.errors++
}

// end prints the last line and returns the exit code.
func (r *report) end() int {
	passed, failed := 0, r.errors
	for k, result := range r.results {
		if result == "fail" && !r.parents[k] || result == "fail" && !r.failedBelow(k) {
			failed++
			continue
		}
		if r.parents[k] && r.depth < 0 || r.depth >= 0 && strings.Count(k.test, "/") != r.depth {
			continue
		}
		switch result {
		case "pass":
			passed++
		case "skip":
			r.skipped++
		}
	}
	fmt.Printf("%d passed, %d failed", passed, failed)
	if r.skipped > 0 {
		fmt.Printf(", %d skipped", r.skipped)
	}
	fmt.Println()
	if failed > 0 || passed == 0 {
		return 1
	}
	return 0
}

// failedBelow says whether a test failed because of one of its subtests.
func (r *report) failedBelow(parent key) bool {
	for k, result := range r.results {
		if result == "fail" && k.pkg == parent.pkg && strings.HasPrefix(k.test, parent.test+"/") {
			return true
		}
	}
	return false
}
