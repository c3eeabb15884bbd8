package demomodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/klog/v2"
)

// stream sends the completion as server-sent events, a word at a time.
func (a *completion) stream(w http.ResponseWriter, r *http.Request, includeUsage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	events := &events{w: w, flusher: http.NewResponseController(w)}
	events.send(a.chunk(map[string]any{"role": a.message.Role, "content": ""}, nil))
	for _, word := range strings.SplitAfter(string(a.message.Content), " ") {
		if word != "" {
			events.send(a.chunk(map[string]any{"content": word}, nil))
		}
	}
	for i, call := range a.message.ToolCalls {
		call.Index = &i
		events.send(a.chunk(map[string]any{"tool_calls": []toolCall{call}}, nil))
	}
	events.send(a.chunk(map[string]any{}, a.finish))
	if includeUsage {
		last := a.chunk(nil, nil)
		last["choices"], last["usage"] = []any{}, a.usage
		events.send(last)
	}
	events.write("[DONE]")
	if events.err != nil {
		klog.FromContext(r.Context()).V(2).Info("The demo model could not send its answer", "err", events.err)
	}
}

func (a *completion) chunk(delta map[string]any, finish any) map[string]any {
	return map[string]any{
		"id": a.id, "object": "chat.completion.chunk", "created": a.created, "model": a.model,
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	}
}

// events writes until the first error, which it keeps.
type events struct {
	w       http.ResponseWriter
	flusher *http.ResponseController
	err     error
}

func (e *events) send(document map[string]any) {
	data, err := json.Marshal(document)
	if err != nil {
		e.err = err
		return
	}
	e.write(string(data))
}

func (e *events) write(data string) {
	if e.err != nil {
		return
	}
	if _, e.err = fmt.Fprintf(e.w, "data: %s\n\n", data); e.err == nil {
		e.err = e.flusher.Flush()
	}
}
