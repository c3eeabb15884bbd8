package kubectl

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// Transcript is kubectl that writes down what it is told and what it prints, as
// Markdown that a reader can follow.
type Transcript struct {
	*Client
	Out io.Writer
}

// Say adds a paragraph.
func (s *Transcript) Say(t testing.TB, text string) {
	t.Helper()
	s.write(t, text+"\n\n")
}

// Run runs kubectl, which must not fail, and returns what it printed.
func (s *Transcript) Run(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out := s.Client.Run(t, stdin, args...)
	s.Note(t, "kubectl", args, stdin, out)
	return out
}

// Fails runs kubectl, which must fail.
func (s *Transcript) Fails(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := s.Try(stdin, args...)
	if err == nil {
		t.Fatalf("kubectl %s did not fail:\n%s", strings.Join(args, " "), out)
	}
	_, printed, _ := strings.Cut(err.Error(), "\n")
	s.Note(t, "kubectl", args, stdin, printed)
	return printed
}

// Note writes down a command and what it printed.
func (s *Transcript) Note(t testing.TB, command string, args []string, stdin, out string) {
	t.Helper()
	for _, arg := range args {
		command += " " + quote(arg)
	}
	if stdin != "" {
		command += " <<'END'\n" + strings.TrimSpace(stdin) + "\nEND"
	}
	s.write(t, "```console\n$ "+command+"\n"+strings.TrimRight(out, "\n")+"\n```\n\n")
}

func (s *Transcript) write(t testing.TB, text string) {
	t.Helper()
	if _, err := fmt.Fprint(s.Out, text); err != nil {
		t.Fatalf("write the transcript: %v", err)
	}
}

func quote(arg string) string {
	if strings.ContainsAny(arg, " {}$*?\"'<>|;&()") {
		return "'" + arg + "'"
	}
	return arg
}
