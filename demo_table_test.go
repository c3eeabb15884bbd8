package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestReadyLines has a shell run the lines that a person is to copy.
func TestReadyLines(t *testing.T) {
	t.Parallel()
	o := devOptions{DataDir: "/home/ann/Ann's own data", Port: 7443}
	url := "postgres://ark:p$1@127.0.0.1/ark?sslmode=disable&x='y'"
	var out strings.Builder
	printReady(&out, o, url)
	var script strings.Builder
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "export ") {
			script.WriteString(line)
		}
	}
	script.WriteString(`printf '%s\n%s' "$KUBECONFIG" "$ARK_DATABASE_URL"`)
	said, err := exec.Command("sh", "-c", script.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if want := o.kubeconfig() + "\n" + url; string(said) != want {
		t.Errorf("the shell understood\n%s\nwant\n%s", said, want)
	}
}
