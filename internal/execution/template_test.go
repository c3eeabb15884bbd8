package execution

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
		{"exponential recursion", "{{define `a`}}{{template `a`}}{{template `a`}}{{end}}{{template `a`}}", "", `the template "a" calls itself`},
		{"mutual recursion", "{{define `a`}}{{template `b`}}{{end}}{{define `b`}}{{with 1}}{{template `a`}}{{end}}{{end}}{{template `b`}}", "", "calls itself"},
		{"recursion in nested frames", "{{define `x`}}" + nested("{{with 1}}", 60, "{{template `x`}}") + "{{end}}{{template `x`}}", "", `the template "x" calls itself`},
		{"block that calls itself", "{{block `x` .}}{{template `x` .}}{{end}}", "", `the template "x" calls itself`},
		{"nested", nested("{{with 1}}", 60, "deep"), "deep", ""},
		{"nested too deep", nested("{{with 1}}", maxTemplateDepth+1, "deep"), "", "deeper than 100 levels"},
		{"alternatives", "{{if 0}}" + strings.Repeat("{{else if 0}}", maxTemplateDepth) + "{{end}}", "", "deeper than 100 levels"},
		{"parentheses", "{{" + strings.Repeat("(", maxTemplateDepth) + "1" + strings.Repeat(")", maxTemplateDepth) + "}}", "", "deeper than 100 levels"},
		{"nested over calls", chainedTemplates(3, 20), "deep", ""},
		{"nested too deep over calls", chainedTemplates(6, 20), "", "deeper than 100 levels"},
		{"nested as deep as can be written", strings.Repeat("{{if 1}}", maxTemplateText/8), "", "template of test"},
		{"called twice", "{{define `x`}}[{{.}}]{{end}}{{template `x` 1}}{{template `x` 2}}", "[1][2]", ""},
		{"undefined", "{{template `none`}}", "", "none"},
		{"long", "{{/* */}}" + strings.Repeat("x", maxTemplateText), "", "longer than 512 KiB"},
		{"many widths", "{{printf `" + strings.Repeat("%999d", 20_000) + "` 1}}", "", "more than 8 MiB"},
		{"many precisions", "{{printf `" + strings.Repeat("%.999f", 20_000) + "` 1.0}}", "", "more than 8 MiB"},
		{"percent before a width", "{{printf `%%%9d` 1}}", "%        1", ""},
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

// nested puts n frames around a text.
func nested(frame string, n int, text string) string {
	return strings.Repeat(frame, n) + text + strings.Repeat("{{end}}", n)
}

// chainedTemplates are n templates, each calling the next in nested frames.
func chainedTemplates(n, frames int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{{define `t%d`}}%s{{end}}", i, nested("{{with 1}}", frames, fmt.Sprintf("{{template `t%d`}}", i+1)))
	}
	fmt.Fprintf(&b, "{{define `t%d`}}deep{{end}}{{template `t0`}}", n)
	return b.String()
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

// What a template allocates is bounded too, not only what it produces.
func TestRenderAllocates(t *testing.T) { // Not parallel: it counts the memory of the process.
	tests := map[string]string{
		"one format of many widths": "{{printf `" + strings.Repeat("%999d", 60_000) + "`" + strings.Repeat(" 1", 60_000) + "}}",
		"many formats":              strings.Repeat("{{printf `%999d` 1}}", maxTemplateText/20),
		"many arguments":            "{{print" + strings.Repeat(" 1", maxTemplateText/2-5) + "}}",
		"many actions":              strings.Repeat("{{1}}", maxTemplateText/5),
		"deep frames":               strings.Repeat("{{if 1}}", maxTemplateText/8),
		"deep parentheses":          strings.Repeat("{{"+strings.Repeat("(", 9000)+"1"+strings.Repeat(")", 9000)+"}}", 28),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := render(t.Context(), "test", text, nil)
			runtime.ReadMemStats(&after)
			if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 200 {
				t.Errorf("%d MiB for a template of %d bytes (error %.200v)", mib, len(text), err)
			}
		})
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
