package chart_test

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// expectedLater are flags that the chart sets before the program knows them: a
// flag leaves the list once it does.
var expectedLater = []string{
	"--create-database",
	"--database-password-file",
	"--grant-to",
	"--timeout",
}

var unknownFlag = regexp.MustCompile(`unknown flag: (--[a-z0-9-]+)`)

// The program understands whatever the chart tells it: it reads its flags, values
// included, before it prints its help.
func TestFlags(t *testing.T) {
	ark := filepath.Join(t.TempDir(), "ark")
	build := exec.Command("go", "build", "-o", ark, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build ark: %v\n%s", err, out)
	}
	missing := map[string]bool{}
	eachSet(t, func(t *testing.T, set string) {
		for _, pod := range pods(t, objects(t, set)) {
			for _, c := range containers(pod) {
				if problem := understood(ark, c.Args, missing); problem != "" {
					t.Errorf("%s: ark %s: %s", pod.Name, strings.Join(c.Args, " "), problem)
				}
			}
		}
	})
	if !t.Failed() && !slices.Equal(slices.Sorted(maps.Keys(missing)), expectedLater) {
		t.Errorf("of the flags that are expected later only %q are still unknown: take the others from the list",
			slices.Sorted(maps.Keys(missing)))
	}
}

// understood returns what the program says against arguments. Flags that are
// expected later are left out, and noted as missing.
func understood(ark string, args []string, missing map[string]bool) string {
	for {
		out, err := exec.Command(ark, append(slices.Clone(args), "--help")...).CombinedOutput()
		if err == nil {
			return ""
		}
		unknown := unknownFlag.FindStringSubmatch(string(out))
		if unknown == nil || !slices.Contains(expectedLater, unknown[1]) {
			return strings.TrimSpace(string(out))
		}
		missing[unknown[1]] = true
		args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
			name, _, _ := strings.Cut(arg, "=")
			return name == unknown[1]
		})
	}
}
