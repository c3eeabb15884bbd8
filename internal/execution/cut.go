package execution

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

// MaxResponse bounds content and raw together, in bytes of the JSON that they are
// stored as. An object has a size limit, and a Query whose answer could never be
// stored would be executed for ever.
const MaxResponse = 1 << 20

const (
	maxContent = MaxResponse / 2
	// minMessage is how short messages are cut before whole ones are left out.
	minMessage = 256
)

// capped returns a response that fits, with a mark where something was cut.
func capped(r *arkv1alpha1.Response) *arkv1alpha1.Response {
	if r == nil || encodedSize(r.Content)+encodedSize(r.Raw) <= MaxResponse {
		return r
	}
	fitting := r.DeepCopy()
	fitting.Content = cut(r.Content, maxContent)
	fitting.Raw = cutRaw(r.Raw, MaxResponse-encodedSize(fitting.Content))
	return fitting
}

// cutRaw shortens the messages in raw, the longer ones first, then leaves out the
// oldest. It stays a JSON array of messages.
func cutRaw(raw string, size int) string {
	if encodedSize(raw) <= size {
		return raw
	}
	var messages []model.Message
	if err := json.Unmarshal([]byte(raw), &messages); err != nil {
		return encodeMessages([]model.Message{omitted(1)})
	}
	shorter := messages
	for limit := maxContent; limit >= minMessage; limit /= 2 {
		shorter = shortened(messages, limit)
		if encoded := encodeMessages(shorter); encodedSize(encoded) <= size {
			return encoded
		}
	}
	for left := 1; left <= len(messages); left *= 2 {
		kept := append([]model.Message{omitted(left)}, shorter[left:]...)
		if encoded := encodeMessages(kept); encodedSize(encoded) <= size {
			return encoded
		}
	}
	return encodeMessages([]model.Message{omitted(len(messages))})
}

// shortened returns messages whose texts take at most limit bytes each.
func shortened(messages []model.Message, limit int) []model.Message {
	shorter := make([]model.Message, len(messages))
	for i, m := range messages {
		m.Content = cut(m.Content, limit)
		m.ToolCalls = slices.Clone(m.ToolCalls)
		for c := range m.ToolCalls {
			m.ToolCalls[c].Function.Arguments = cut(m.ToolCalls[c].Function.Arguments, limit)
		}
		shorter[i] = m
	}
	return shorter
}

func omitted(n int) model.Message {
	return model.Message{Role: model.RoleSystem, Content: fmt.Sprintf("[cut: %d messages left out]", n)}
}

func encodeMessages(messages []model.Message) string {
	encoded, _ := json.Marshal(messages) // Structures of strings always marshal.
	return string(encoded)
}

// cut shortens text so that it takes at most size bytes inside JSON, mark included.
func cut(text string, size int) string {
	if encodedSize(text) <= size {
		return text
	}
	mark := fmt.Sprintf(" [cut: %d bytes in all]", len(text))
	room := size - len(mark)
	for i, r := range text {
		if room -= encodedRune(r); room < 0 {
			return text[:i] + mark
		}
	}
	return text
}

// encodedSize is how many bytes text takes inside a JSON string, at most.
func encodedSize(text string) int {
	size := 0
	for _, r := range text {
		size += encodedRune(r)
	}
	return size
}

func encodedRune(r rune) int {
	const escaped = len(`\u0000`)
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
		return len(`\n`)
	case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return escaped
	}
	return utf8.RuneLen(r)
}
