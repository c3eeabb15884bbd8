package demomodel

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Notice stands in every answer.
const Notice = "(This answer comes from Ark's built-in scripted demo model, not from a language model.)"

// maxQuote is how much of a text an answer quotes, in bytes.
const maxQuote = 300

// place finds what comes after "in", "for" and the like and begins with a capital.
var place = regexp.MustCompile(`\b(?:in|for|of|at|and)\s+(\p{Lu}[\p{L}'-]*(?:\s+\p{Lu}[\p{L}'-]*)*)`)

// reply is the script: the user names cities and a tool wants one: call it; a
// tool has answered: tell what it said; else tell what was asked.
func reply(req *request) message {
	last := req.Messages[len(req.Messages)-1]
	switch {
	case last.Role == "tool":
		return say("%s", results(req.Messages))
	case last.Role == "user":
		if calls := weatherCalls(req.Tools, string(last.Content)); len(calls) > 0 {
			return message{Role: "assistant", ToolCalls: calls}
		}
	}
	asked := fmt.Sprintf("You asked: %q.", quote(string(last.Content)))
	for _, m := range req.Messages {
		if (m.Role == "system" || m.Role == "developer") && m.Content != "" {
			return say("%s My instructions are: %q.", asked, quote(string(m.Content)))
		}
	}
	return say("%s", asked)
}

func say(format string, args ...any) message {
	return message{Role: "assistant", Content: text(fmt.Sprintf(format, args...) + " " + Notice)}
}

// weatherCalls asks the first tool that takes a city for each city in question.
func weatherCalls(tools []tool, question string) []toolCall {
	for _, t := range tools {
		if _, ok := t.Function.Parameters.Properties["city"]; !ok {
			continue
		}
		var calls []toolCall
		for _, match := range place.FindAllStringSubmatch(question, -1) {
			arguments, err := json.Marshal(map[string]string{"city": match[1]})
			if err != nil {
				continue // A map of strings always marshals.
			}
			calls = append(calls, toolCall{
				ID: fmt.Sprintf("call-%d", serial.Add(1)), Type: "function",
				Function: function{Name: t.Function.Name, Arguments: string(arguments)},
			})
		}
		return calls
	}
	return nil
}

// results puts into words what the tools have said since the last turn.
func results(messages []message) string {
	var said []string
	for i := len(messages) - 1; i >= 0 && messages[i].Role == "tool"; i-- {
		content := string(messages[i].Content)
		var w forecast
		if json.Unmarshal([]byte(content), &w) == nil && w.City != "" {
			content = fmt.Sprintf("In %s it is %d °C and %s.", w.City, w.TemperatureC, w.Conditions)
		} else {
			content = fmt.Sprintf("The tool said: %q.", quote(content))
		}
		said = append([]string{content}, said...)
	}
	return strings.Join(said, " ")
}

func quote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) <= maxQuote {
		return s
	}
	end := maxQuote
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
