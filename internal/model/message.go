package model

import "encoding/json"

// Role says who speaks in a Message.
type Role string

// The roles of chat completions.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one message of a conversation. Its JSON is that of OpenAI's chat
// completions, which is also what status.response.raw and conversations hold.
type Message struct {
	Role    Role   `json:"role"`
	Content string `json:"content"`
	// ToolCalls are what an assistant wants to have done before it goes on.
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	// ToolCallID says which call a tool's message is the result of.
	ToolCallID string `json:"tool_call_id,omitempty"`
}

// ToolCall is one call that an assistant asks for.
type ToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function FunctionCall `json:"function"`
}

// FunctionCall names a tool and its arguments.
type FunctionCall struct {
	Name string `json:"name"`
	// Arguments are what the model wrote, which should be a JSON object.
	Arguments string `json:"arguments"`
}

// Tool is what a model may call.
type Tool struct {
	// Name consists of letters, digits, _ and -, 64 at most.
	Name        string
	Description string
	// Parameters is the JSON schema of the arguments, an object.
	Parameters json.RawMessage
}

// OutputSchema makes a model answer in JSON that follows a schema.
type OutputSchema struct {
	// Name consists of letters, digits, _ and -, 64 at most.
	Name   string
	Schema json.RawMessage
}

// Request is one turn: the conversation so far, and what the model may do.
type Request struct {
	Messages []Message
	Tools    []Tool
	// Output is nil if the model may answer in any form.
	Output *OutputSchema
}

// Usage counts tokens. Cached is the part of Prompt that the provider had
// processed before.
type Usage struct {
	Prompt, Completion, Total, Cached int64
}

// Add adds what another turn used.
func (u *Usage) Add(other Usage) {
	u.Prompt += other.Prompt
	u.Completion += other.Completion
	u.Total += other.Total
	u.Cached += other.Cached
}

// Response is what a model answered.
type Response struct {
	Message Message
	// FinishReason is the provider's word for why it stopped, such as stop,
	// length or tool_calls.
	FinishReason string
	Usage        Usage
}
