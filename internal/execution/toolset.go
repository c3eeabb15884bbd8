package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"mckinsey.com/ark/internal/model"
)

const (
	// maxToolFailures is after how many turns in a row, in each of which a tool
	// did nothing but fail, the Query ends.
	maxToolFailures = 3
	// maxConcurrentCalls of one turn are made at once.
	maxConcurrentCalls = 16
	// maxCallsPerTurn is how many calls of one turn are made at all.
	maxCallsPerTurn = 128
	// maxTurnResults is how many bytes the results of one turn have together:
	// half of what a conversation may grow to.
	maxTurnResults = maxConversation / 2
)

// tool is one thing that the model may call.
type tool struct {
	// definition is what the model sees.
	definition model.Tool
	// object is the name of the Tool, or of the builtin.
	object string
	// fixed arguments are filled in, and hidden from the model.
	fixed map[string]any
	// invoke makes the call. An error is told to the model.
	invoke func(ctx context.Context, arguments map[string]any) (string, error)
	// terminates the conversation: what it returns is the answer.
	terminates bool
}

// toolset is what an agent may call.
type toolset struct {
	*run
	definitions []model.Tool
	byName      map[string]*tool
	failures    map[string]int // turns in a row, by name
}

func (x *run) newToolset() *toolset {
	return &toolset{run: x, byName: map[string]*tool{}, failures: map[string]int{}}
}

func (s *toolset) add(t *tool) error {
	name := t.definition.Name
	if _, taken := s.byName[name]; taken {
		return fmt.Errorf("two tools are called %q", name)
	}
	s.byName[name] = t
	s.definitions = append(s.definitions, t.definition)
	return nil
}

// result of one call.
type result struct {
	id, name string
	text     string // for the model: what the tool returned, or the error
	failed   error
	// fatal is an error that ends the Query, whatever the model would do.
	fatal      error
	terminates bool
}

// callAll makes the calls of one turn, several at once, and returns their results
// in the order of the calls. Its error ends the Query.
func (s *toolset) callAll(ctx context.Context, calls []model.ToolCall) ([]result, error) {
	results := make([]result, len(calls))
	var group sync.WaitGroup
	slots := make(chan struct{}, maxConcurrentCalls)
	space := &room{left: maxTurnResults}
	for i, call := range calls {
		if i >= maxCallsPerTurn {
			results[i] = failed(call, fmt.Errorf("not called: more than %d calls in one turn", maxCallsPerTurn))
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			results[i] = s.call(ctx, call, space)
		})
	}
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("ended while tools were called: %w", cause)
	}
	for _, r := range results {
		if r.fatal != nil {
			return nil, r.fatal
		}
	}
	return results, s.countFailures(results)
}

// countFailures returns an error if a tool does nothing but fail.
func (s *toolset) countFailures(results []result) error {
	succeeded, last := map[string]bool{}, map[string]error{}
	for _, r := range results {
		if r.failed == nil {
			succeeded[r.name] = true
		} else {
			last[r.name] = r.failed
		}
	}
	for name := range succeeded {
		delete(s.failures, name)
	}
	for name, err := range last {
		if succeeded[name] {
			continue
		}
		if s.failures[name]++; s.failures[name] >= maxToolFailures {
			return fmt.Errorf("tool %q failed %d times in a row, at last: %w", name, maxToolFailures, err)
		}
	}
	return nil
}

func failed(call model.ToolCall, err error) result {
	return result{id: call.ID, name: call.Function.Name, text: "Error: " + err.Error(), failed: err}
}

// asked and returned are how a tool call is recorded. The arguments stay the text
// that the model wrote: as JSON they might be more than PostgreSQL can hold.
type asked struct {
	ID        string `json:"id"`
	Function  string `json:"function"`
	Arguments string `json:"arguments"`
}

type returned struct {
	Result string `json:"result"`
}

// room is what the results of a turn may still take. They are cut as they come in,
// and not when all are there: then they would have been in memory together.
type room struct {
	mu   sync.Mutex
	left int
}

// fit returns as much of text as there is room for, with a mark where it is cut.
func (r *room) fit(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(text) <= r.left {
		r.left -= len(text)
		return text
	}
	// A copy: the rest must not stay in memory.
	kept := strings.Clone(strings.ToValidUTF8(text[:r.left], ""))
	r.left = 0
	return kept + fmt.Sprintf("\n[cut: the results of one turn are larger than %d bytes together]", maxTurnResults)
}

// call makes and records one call.
func (s *toolset) call(ctx context.Context, call model.ToolCall, space *room) result {
	name := call.Function.Name
	turn := Turn{Kind: TurnTool, Name: name, Started: s.clock.Now()}
	t, known := s.byName[name]
	var text string
	var err error
	if known {
		turn.Name = t.object
		s.detail(corev1.EventTypeNormal, toolCall+"Start", fmt.Sprintf("tool %q", turn.Name))
		err = guard(ctx, func() (err error) {
			text, err = t.run(ctx, call.Function.Arguments)
			return err
		})
	} else {
		err = fmt.Errorf("there is no tool called %q", name)
	}
	turn.Ended = s.clock.Now()
	r := result{id: call.ID, name: name, text: space.fit(s.values.Secrets().Redact(text)), terminates: known && t.terminates}
	var response any = returned{r.text}
	if err != nil {
		err = errors.New(s.values.Secrets().Redact(err.Error()))
		r, response = failed(call, err), nil
		r.text = space.fit(r.text)
		if context.Cause(ctx) == nil {
			s.warn(warnTool, fmt.Errorf("tool %q: %w", turn.Name, err))
		}
	} else {
		s.detail(corev1.EventTypeNormal, toolCall+"Complete", fmt.Sprintf("tool %q", turn.Name))
	}
	r.fatal = s.record(ctx, turn, asked{call.ID, name, call.Function.Arguments}, response, err)
	return r
}

// run decodes the arguments and makes the call.
func (t *tool) run(ctx context.Context, encoded string) (string, error) {
	arguments := map[string]any{}
	if strings.TrimSpace(encoded) != "" {
		decoder := json.NewDecoder(strings.NewReader(encoded))
		decoder.UseNumber() // 12345678 must not become 1.2345678e+07.
		if err := decoder.Decode(&arguments); err != nil {
			return "", fmt.Errorf("the arguments are not a JSON object: %w", err)
		}
		if decoder.More() {
			return "", errors.New("the arguments are not one JSON object: something follows it")
		}
		if arguments == nil { // null
			arguments = map[string]any{}
		}
	}
	for name, value := range t.fixed {
		arguments[name] = value
	}
	return t.invoke(ctx, arguments)
}

// termination returns what the first terminating tool returned.
func termination(results []result) (string, bool) {
	for _, r := range results {
		if r.terminates && r.failed == nil {
			return r.text, true
		}
	}
	return "", false
}
