package demomodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// request is the part of a chat completion request that the script looks at.
type request struct {
	Model          string          `json:"model"`
	Messages       []message       `json:"messages"`
	Tools          []tool          `json:"tools"`
	ResponseFormat json.RawMessage `json:"response_format"`
	Stream         bool            `json:"stream"`
	StreamOptions  struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type tool struct {
	Function struct {
		Name       string `json:"name"`
		Parameters struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"parameters"`
	} `json:"function"`
}

type message struct {
	Role       string     `json:"role"`
	Content    text       `json:"content"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	Index    *int     `json:"index,omitempty"` // In streams only.
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// text is content that may be a string, null, or a list of parts.
type text string

// UnmarshalJSON joins the text of parts.
func (t *text) UnmarshalJSON(data []byte) error {
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(data, &parts) == nil {
		for _, part := range parts {
			*t += text(part.Text)
		}
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// bytesPerToken is how much text a token stands for, about.
const bytesPerToken = 4

var serial atomic.Int64

func complete(w http.ResponseWriter, r *http.Request, delay time.Duration) {
	var req request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("the request is not a chat completion: %v", err))
		return
	}
	if len(req.Messages) == 0 {
		fail(w, r, http.StatusBadRequest, "messages is empty")
		return
	}
	if req.wantsSchema() {
		fail(w, r, http.StatusBadRequest, "the scripted demo model cannot follow a response_format: use a real model for structured output")
		return
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // An empty 200 would be taken for an answer.
		}
	}
	answer := reply(&req)
	a := completion{
		id: fmt.Sprintf("demo-%d", serial.Add(1)), model: req.Model, created: time.Now().Unix(),
		message: answer, finish: "stop", usage: count(&req, answer),
	}
	if len(answer.ToolCalls) > 0 {
		a.finish = "tool_calls"
	}
	if req.Stream {
		a.stream(w, r, req.StreamOptions.IncludeUsage)
		return
	}
	send(w, r, http.StatusOK, a.document())
}

func (r *request) wantsSchema() bool {
	var format struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(r.ResponseFormat, &format) == nil && format.Type != "" && format.Type != "text"
}

type completion struct {
	id, model string
	created   int64
	message   message
	finish    string
	usage     usage
}

func (a *completion) document() map[string]any {
	return map[string]any{
		"id": a.id, "object": "chat.completion", "created": a.created, "model": a.model, "usage": a.usage,
		"choices": []any{map[string]any{"index": 0, "message": a.message, "finish_reason": a.finish}},
	}
}

func count(req *request, answer message) usage {
	sent := 0
	for _, m := range req.Messages {
		sent += m.size()
	}
	u := usage{PromptTokens: sent/bytesPerToken + 1, CompletionTokens: answer.size()/bytesPerToken + 1}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}

func (m message) size() int {
	size := len(m.Content)
	for _, call := range m.ToolCalls {
		size += len(call.Function.Name) + len(call.Function.Arguments)
	}
	return size
}
