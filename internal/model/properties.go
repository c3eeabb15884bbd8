package model

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/valuesource"
)

// reserved are the fields of a request that Ark fills in itself.
var reserved = []string{"messages", "model", "response_format", "stream", "stream_options", "tools"}

// texts are the fields that are texts, also where the value looks like a number.
var texts = []string{"prompt_cache_key", "reasoning_effort", "safety_identifier", "service_tier", "stop", "user", "verbosity"}

// properties resolves the extra fields of each request.
func properties(ctx context.Context, values *valuesource.Resolver, from map[string]arkv1alpha1.ValueSource) (map[string]any, error) {
	fields := make(map[string]any, len(from))
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if slices.Contains(reserved, name) {
			return nil, fmt.Errorf("property %q is set by Ark itself", name)
		}
		text, err := values.Value(ctx, from[name])
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", name, err)
		}
		fields[name] = typed(name, text)
	}
	return fields, nil
}

// typed returns the JSON that text is, or else text: "0.2" is a number, "true" a
// truth value, "low" a text. Quotation marks make anything a text.
func typed(name, text string) any {
	value := strings.TrimSpace(text)
	if slices.Contains(texts, name) && !strings.HasPrefix(value, "[") {
		return text
	}
	if json.Valid([]byte(value)) {
		return json.RawMessage(value)
	}
	return text
}
