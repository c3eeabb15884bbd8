package execution

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
)

// Templates are written by users and run in a process that serves many of them:
// what one may produce, and how long it may run, is bounded.
const (
	maxTemplateBytes = 8 << 20
	maxTemplateSteps = 100_000
	// maxTemplateText is how long a template itself may be: parsed, it takes up to
	// a hundred times as much.
	maxTemplateText = 512 << 10
)

// tick is the name of the function that is called in each step of a loop.
const tick = "_tick"

// render executes a Go template over data. A parameter that data lacks is an
// error that names it. name says what the template is, for errors.
func render(ctx context.Context, name, text string, data any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	b := &budget{ctx: ctx, bytes: maxTemplateBytes, steps: maxTemplateSteps}
	t, err := parseTemplate(name, text, b)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&limitedWriter{&out, b}, data); err != nil {
		return "", fmt.Errorf("template of %s: %w", name, err)
	}
	return out.String(), nil
}

func parseTemplate(name, text string, b *budget) (*template.Template, error) {
	if len(text) > maxTemplateText {
		return nil, fmt.Errorf("template of %s: it is longer than %d KiB", name, maxTemplateText>>10)
	}
	t, err := template.New(name).Option("missingkey=error").Funcs(b.functions()).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template of %s: %w", name, err)
	}
	if err := checkDepth(t); err != nil {
		return nil, fmt.Errorf("template of %s: %w", name, err)
	}
	step, err := template.New(name).Funcs(b.functions()).Parse("{{" + tick + "}}")
	if err != nil {
		return nil, fmt.Errorf("template of %s: %w", name, err)
	}
	for _, defined := range t.Templates() {
		if defined.Tree != nil && defined.Root != nil {
			countSteps(defined.Root, step.Root.Nodes[0])
			defined.Root.Nodes = append([]parse.Node{step.Root.Nodes[0].Copy()}, defined.Root.Nodes...)
		}
	}
	return t, nil
}

// countSteps puts a call of tick at the beginning of every loop's body.
func countSteps(list *parse.ListNode, step parse.Node) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.RangeNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
			n.List.Nodes = append([]parse.Node{step.Copy()}, n.List.Nodes...)
		case *parse.IfNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
		case *parse.WithNode:
			countSteps(n.List, step)
			countSteps(n.ElseList, step)
		}
	}
}

// budget is what one rendering may still use up.
type budget struct {
	ctx          context.Context
	bytes, steps int
}

var errTemplateTooLarge = fmt.Errorf("it produces more than %d MiB", maxTemplateBytes>>20)

func (b *budget) step() (string, error) {
	if b.steps--; b.steps < 0 {
		return "", fmt.Errorf("it takes more than %d steps", maxTemplateSteps)
	}
	return "", context.Cause(b.ctx)
}

func (b *budget) spend(bytes int) error {
	if b.bytes -= bytes; b.bytes < 0 {
		return errTemplateTooLarge
	}
	return context.Cause(b.ctx)
}

// functions are those of text/template that make texts, within the budget.
func (b *budget) functions() template.FuncMap {
	bounded := func(f func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) {
			for _, arg := range args {
				if err := b.spend(len(fmt.Sprint(arg)) + 1); err != nil {
					return "", err
				}
			}
			text := f(args...)
			return text, b.spend(len(text))
		}
	}
	formatted := bounded(func(args ...any) string { return fmt.Sprintf(args[0].(string), args[1:]...) })
	return template.FuncMap{
		tick:       b.step,
		"print":    bounded(fmt.Sprint),
		"println":  bounded(fmt.Sprintln),
		"html":     bounded(template.HTMLEscaper),
		"js":       bounded(template.JSEscaper),
		"urlquery": bounded(template.URLQueryEscaper),
		"printf": func(format string, args ...any) (string, error) {
			if multiplying.MatchString(format) {
				return "", errors.New("printf: indexes, * and widths of more than three digits are not allowed")
			}
			if err := b.spend(paddings(format)); err != nil {
				return "", err
			}
			return formatted(append([]any{format}, args...)...)
		},
	}
}

// multiplying finds verbs of fmt that make much out of little.
var multiplying = regexp.MustCompile(`%[^a-zA-Z%]*([\[*]|\d{4,})`)

// paddings is how many bytes the widths and precisions of a format may produce,
// whatever its arguments are. It is asked before anything is formatted: many
// verbs in one format would be much memory at once.
func paddings(format string) int {
	sum, width, inVerb := 0, 0, false
	for _, r := range format {
		switch {
		case r == '%':
			inVerb = true
		case r >= '0' && r <= '9' && inVerb:
			width = 10*width + int(r-'0') // Three digits: multiplying is refused before.
			continue
		case unicode.IsLetter(r):
			inVerb = false
		}
		sum, width = sum+width, 0
	}
	return sum + width
}

// limitedWriter writes within a budget.
type limitedWriter struct {
	to     *strings.Builder
	budget *budget
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if err := w.budget.spend(len(p)); err != nil {
		return 0, err
	}
	return w.to.Write(p)
}
