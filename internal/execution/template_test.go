package execution

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	t.Parallel()
	data := map[string]any{"name": "Ada", "input": map[string]any{"list": []any{"a", "b"}, "s": "<x>"}}
	tests := []struct {
		name, text, want, err string
	}{
		{"plain", "no braces {", "no braces {", ""},
		{"value", "Hi {{.name}}!", "Hi Ada!", ""},
		{"loop", "{{range .input.list}}<{{.}}>{{else}}none{{end}}", "<a><b>", ""},
		{"condition", "{{if eq .name `Ada`}}yes{{else}}no{{end}}", "yes", ""},
		{"with and definitions", "{{define `x`}}[{{.}}]{{end}}{{with .name}}{{template `x` .}}{{end}}", "[Ada]", ""},
		{"break", "{{range $i, $e := .input.list}}{{if eq $i 1}}{{break}}{{end}}{{$e}}{{end}}", "a", ""},
		{"printf", "{{printf `%s-%5.2f|%q` .name 1.5 .name}}", `Ada- 1.50|"Ada"`, ""},
		{"escapes", "{{html .input.s}} {{urlquery .input.s}} {{js .input.s}}", `&lt;x&gt; %3Cx%3E \u003Cx\u003E`, ""},
		{"print", "{{print .name 1 2}}{{println}}", "Ada1 2\n", ""},
		{"missing", "{{.none}}", "", `no entry for key "none"`},
		{"missing below", "{{.input.none}}", "", `no entry for key "none"`},
		{"syntax", "{{.name", "", "template of test"},
		{"unknown function", "{{env `HOME`}}", "", `function "env" not defined`},
		{"endless loop", "{{range 1000000000000}}{{end}}", "", "more than 100000 steps"},
		{"nested loops", "{{range 100000}}{{range 100000}}{{end}}{{end}}", "", "more than 100000 steps"},
		{"exponential recursion", "{{define `a`}}{{template `a`}}{{template `a`}}{{end}}{{template `a`}}", "", "template"},
		{"doubling recursion", doublingTemplates(40), "", "more than 100000 steps"},
		{"wide", "{{printf `%1000000000d` 1}}", "", "not allowed"},
		{"repeated argument", "{{printf `%[1]s%[1]s` .name}}", "", "not allowed"},
		{"width from an argument", "{{printf `%*d` 1000000 1}}", "", "not allowed"},
		{"large output", "{{range 10000}}" + strings.Repeat("x", 1000) + "{{end}}", "", "more than 8 MiB"},
		{"doubling variable", doublingVariable(60), "", "more than 8 MiB"},
		{"doubling escapes", "{{" + strings.Repeat("js (", 60) + "`\\\\`" + strings.Repeat(")", 60) + "}}", "", "more than 8 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := render(t.Context(), "test", tt.text, data)
			if got != tt.want {
				t.Errorf("text %.200q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// doublingTemplates calls each definition twice from the one before it.
func doublingTemplates(n int) string {
	var b strings.Builder
	name := func(i int) string { return "`" + strings.Repeat("a", i+1) + "`" }
	for i := range n {
		b.WriteString("{{define " + name(i) + "}}{{template " + name(i+1) + "}}{{template " + name(i+1) + "}}{{end}}")
	}
	b.WriteString("{{define " + name(n) + "}}{{end}}{{template " + name(0) + "}}")
	return b.String()
}

func doublingVariable(n int) string {
	return "{{$a := `xxxxxxxx`}}" + strings.Repeat("{{$a = print $a $a}}", n)
}

func TestRenderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrCanceled)
	if _, err := render(ctx, "test", "{{range 10}}{{end}}", nil); !errors.Is(err, ErrCanceled) {
		t.Errorf("error %v, want ErrCanceled", err)
	}
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{"{{.a}}", "{{range .a}}{{.}}{{end}}", "{{define `x`}}{{end}}{{template `x`}}", "{{/* */}}", "{{block `b` .}}{{end}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := render(t.Context(), "fuzz", text, map[string]string{"a": "b"})
		if err != nil && got != "" {
			t.Errorf("text %q with error %v", got, err)
		}
		if len(got) > maxTemplateBytes+len(text) {
			t.Errorf("%d bytes", len(got))
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("http://example.com/{a}?b={a}", "x/../y")
	f.Fuzz(func(t *testing.T, address, argument string) {
		template, err := parseURL(address)
		if err != nil {
			return
		}
		got, err := template.expand(map[string]any{"a": argument})
		if err == nil && authority.FindString(got) != authority.FindString(address) {
			t.Errorf("%q with %q goes to another host: %q", address, argument, got)
		}
	})
}
