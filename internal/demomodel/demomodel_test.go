package demomodel

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, _, err := Start(t.Context(), "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func service(s *Server) openai.ChatCompletionService {
	return openai.NewChatCompletionService(option.WithBaseURL(s.BaseURL()), option.WithAPIKey("any"), option.WithMaxRetries(0))
}

var weatherTool = openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
	Name:       "get-weather",
	Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}},
})

// The whole conversation of the samples, with the client that Ark itself uses.
func TestToolConversation(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	chat := service(s)
	params := openai.ChatCompletionNewParams{
		Model:    ModelID,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("What is the weather in Paris and in New York?")},
		Tools:    []openai.ChatCompletionToolUnionParam{weatherTool},
	}
	first, err := chat.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	choice := first.Choices[0]
	if choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) != 2 {
		t.Fatalf("first turn: %s", first.RawJSON())
	}
	params.Messages = append(params.Messages, choice.Message.ToParam())
	var temperatures []string
	for i, call := range choice.Message.ToolCalls {
		want := []string{`{"city":"Paris"}`, `{"city":"New York"}`}[i]
		if call.Function.Name != "get-weather" || call.Function.Arguments != want {
			t.Errorf("call %d: %+v", i, call.Function)
		}
		var arguments struct{ City string }
		if err := json.Unmarshal([]byte(call.Function.Arguments), &arguments); err != nil {
			t.Fatal(err)
		}
		result := fetch(t, s.URL()+"/demo/weather?city="+strings.ReplaceAll(arguments.City, " ", "+"), http.StatusOK)
		var w forecast
		if err := json.Unmarshal([]byte(result), &w); err != nil || w.City != arguments.City {
			t.Fatalf("forecast %s, error %v", result, err)
		}
		temperatures = append(temperatures, w.Conditions)
		params.Messages = append(params.Messages, openai.ToolMessage(result, call.ID))
	}
	second, err := chat.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	answer := second.Choices[0].Message.Content
	for _, part := range append(temperatures, "In Paris", "In New York", Notice) {
		if !strings.Contains(answer, part) {
			t.Errorf("answer %q lacks %q", answer, part)
		}
	}
	if second.Usage.TotalTokens == 0 || second.Usage.TotalTokens != second.Usage.PromptTokens+second.Usage.CompletionTokens {
		t.Errorf("usage %+v", second.Usage)
	}
}

func TestPlainAnswer(t *testing.T) {
	t.Parallel()
	chat := service(start(t, Options{}))
	got, err := chat.New(t.Context(), openai.ChatCompletionNewParams{Model: ModelID, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.SystemMessage("Answer in French."), openai.UserMessage("Why is the sky blue?"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `You asked: "Why is the sky blue?". My instructions are: "Answer in French.". ` + Notice
	if answer := got.Choices[0].Message.Content; answer != want {
		t.Errorf("answer %q, want %q", answer, want)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	chat := service(start(t, Options{}))
	for question, want := range map[string]string{"Hello": `You asked: "Hello". ` + Notice, "Weather in Oslo?": ""} {
		stream := chat.NewStreaming(t.Context(), openai.ChatCompletionNewParams{
			Model: ModelID, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
			Tools: []openai.ChatCompletionToolUnionParam{weatherTool}, StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
		})
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatal("a chunk does not fit")
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		message := all.Choices[0].Message
		if message.Content != want || all.Usage.TotalTokens == 0 {
			t.Errorf("%s: content %q, usage %+v", question, message.Content, all.Usage)
		}
		if want == "" && (len(message.ToolCalls) != 1 || message.ToolCalls[0].Function.Arguments != `{"city":"Oslo"}`) {
			t.Errorf("tool calls %+v", message.ToolCalls)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	for path, status := range map[string]int{"/v1/models": 200, "/v1/other": 404, "/demo/weather": 400, "/v1/chat/completions": 404} {
		fetch(t, s.URL()+path, status)
	}
	chat := service(s)
	_, err := chat.New(t.Context(), openai.ChatCompletionNewParams{Model: ModelID})
	if err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("no messages: error %v", err)
	}
}

func fetch(t *testing.T, address string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Errorf("%s: status %d, want %d: %s", address, res.StatusCode, status, body)
	}
	return string(body)
}

func TestDelayEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	chat := service(s)
	if _, err := chat.New(ctx, openai.ChatCompletionNewParams{Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hi")}}); err == nil {
		t.Error("an answer before its time")
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "10.0.0.1:80", "localhost:0"} {
		if s, _, err := Start(t.Context(), addr, Options{}); err == nil {
			t.Errorf("listens on %s", addr)
			_ = s.Close()
		}
	}
}

func TestStopsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, _, err := Start(ctx, "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-s.done
	if s.err != nil {
		t.Error(s.err)
	}
}
