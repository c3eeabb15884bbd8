package chart_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The program understands whatever the chart tells it: it reads its flags, values
// included, before it prints its help.
func TestFlags(t *testing.T) {
	ark := filepath.Join(t.TempDir(), "ark")
	build := exec.Command("go", "build", "-o", ark, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build ark: %v\n%s", err, out)
	}
	eachSet(t, func(t *testing.T, set string) {
		for _, pod := range pods(t, objects(t, set)) {
			for _, c := range containers(pod) {
				if problem := understood(ark, c.Args); problem != "" {
					t.Errorf("%s: ark %s: %s", pod.Name, strings.Join(c.Args, " "), problem)
				}
			}
		}
	})
}

// understood returns what the program says against arguments; empty: nothing.
func understood(ark string, args []string) string {
	out, err := exec.Command(ark, append(slices.Clone(args), "--help")...).CombinedOutput()
	if err == nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
