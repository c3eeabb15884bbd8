package v1alpha1

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that the migrations of this package set.
const (
	AnnotationMigrationToolTypeCustom = AnnotationMigrationWarningPrefix + "tool-type-custom"
	AnnotationMigrationProvider       = AnnotationMigrationWarningPrefix + "provider"
	AnnotationMigrationInputType      = AnnotationMigrationWarningPrefix + "input-type"
	AnnotationMigrationRoundRobin     = AnnotationMigrationWarningPrefix + "round-robin"
	AnnotationMigrationGraph          = AnnotationMigrationWarningPrefix + "graph"
)

// MigrationWarnings returns the values of obj's migration-warning annotations, in
// the order of their names. Admission hands them to whoever wrote the object.
func MigrationWarnings(obj metav1.Object) []string {
	var names []string
	for name := range obj.GetAnnotations() {
		if strings.HasPrefix(name, AnnotationMigrationWarningPrefix) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	warnings := make([]string, 0, len(names))
	for _, name := range names {
		warnings = append(warnings, obj.GetAnnotations()[name])
	}
	return warnings
}

// MigrateAgent gives an Agent without a Model the default one, unless it lives on
// an A2AServer, and warns of tools of the deprecated type custom until there are
// none left. It returns whether it changed something.
func MigrateAgent(a *Agent) bool {
	changed := false
	if _, remote := a.Annotations[AnnotationA2AServerName]; a.Spec.ModelRef == nil && !remote {
		a.Spec.ModelRef = &AgentModelRef{Name: DefaultName}
		changed = true
	}
	var custom []string
	for _, tool := range a.Spec.Tools {
		if tool.Type == AgentToolCustom {
			custom = append(custom, tool.Name)
		}
	}
	if len(custom) == 0 {
		return removeAnnotation(a, AnnotationMigrationToolTypeCustom) || changed
	}
	warning := fmt.Sprintf("spec.tools: the type custom of %s is deprecated: name the type of the Tool (http, mcp, agent, team or builtin)", strings.Join(custom, ", "))
	return annotate(a, AnnotationMigrationToolTypeCustom, warning) || changed
}

// MigrateModel moves a provider that stands in spec.type, as it did before there
// was a spec.provider, to where it belongs. It returns whether it changed something.
func MigrateModel(m *Model) bool {
	former := []ModelType{ModelTypeOpenAI, ModelTypeAzure, ModelTypeBedrock}
	if !slices.Contains(former, m.Spec.Type) {
		return false
	}
	// The old manifest applied again brings its type along beside the provider
	// that it was moved to.
	if m.Spec.Provider != "" && m.Spec.Provider != ModelProvider(m.Spec.Type) {
		return false
	}
	m.Spec.Provider = ModelProvider(m.Spec.Type)
	m.Spec.Type = ModelTypeCompletions
	annotate(m, AnnotationMigrationProvider, fmt.Sprintf(
		"spec.type: %s is a provider and is deprecated here: it was moved to spec.provider, and spec.type is now %s", m.Spec.Provider, m.Spec.Type))
	return true
}

// MigrateQuery turns an input that is a list of chat messages into the text of the
// first message of a user. Without such a message the Query is left alone, and its
// validation refuses the type. It returns whether it changed something.
func MigrateQuery(q *Query) bool {
	if q.Spec.Type != QueryTypeMessages {
		return false
	}
	text, ok := firstUserText(q.Spec.Input.Raw)
	if !ok {
		return false
	}
	q.Spec.Input.Raw = text
	q.Spec.Type = QueryTypeUser
	annotate(q, AnnotationMigrationInputType,
		"spec.type: messages is deprecated: spec.input is now the text of the first user message, and spec.type is user")
	return true
}

// chatMessage is what a migration needs to know of a chat message: its content is
// a text or a list of parts.
type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// firstUserText returns the text, in JSON, of the first message of a user in a
// JSON list of messages.
func firstUserText(raw []byte) (json.RawMessage, bool) {
	var messages []chatMessage
	if json.Unmarshal(raw, &messages) != nil {
		return nil, false
	}
	for _, m := range messages {
		if m.Role != "user" {
			continue
		}
		if text, ok := contentText(m.Content); ok {
			return text, true
		}
	}
	return nil, false
}

// contentText returns the text of a message's content: itself, or its first part
// that is a text.
func contentText(content json.RawMessage) (json.RawMessage, bool) {
	if isText(content) {
		return content, true
	}
	var parts []struct {
		Type string          `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return nil, false
	}
	for _, part := range parts {
		if part.Type == "text" && isText(part.Text) {
			return part.Text, true
		}
	}
	return nil, false
}

// isText tells whether raw is a JSON text that is not empty.
func isText(raw json.RawMessage) bool {
	var text string
	return json.Unmarshal(raw, &text) == nil && text != ""
}

// MigrateTeam rewrites the deprecated strategies as sequential. It returns whether
// it changed something.
func MigrateTeam(t *Team) bool {
	switch t.Spec.Strategy {
	case StrategyRoundRobin:
		t.Spec.Strategy = StrategySequential
		t.Spec.Loops = t.Spec.MaxTurns != nil
		annotate(t, AnnotationMigrationRoundRobin, fmt.Sprintf(
			"spec.strategy: round-robin is deprecated: it is now sequential with loops: %t", t.Spec.Loops))
		return true
	case StrategyGraph:
		t.Spec.Strategy = StrategySequential
		t.Spec.Graph, t.Spec.MaxTurns = nil, nil
		annotate(t, AnnotationMigrationGraph,
			"spec.strategy: graph is deprecated: it is now sequential, without spec.graph and spec.maxTurns; use the strategy selector with a graph instead")
		return true
	}
	return false
}

// annotate sets an annotation and returns whether that changed something.
func annotate(obj metav1.Object, name, value string) bool {
	annotations := obj.GetAnnotations()
	if annotations[name] == value {
		return false
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[name] = value
	obj.SetAnnotations(annotations)
	return true
}

// removeAnnotation removes an annotation and returns whether that changed something.
func removeAnnotation(obj metav1.Object, name string) bool {
	annotations := obj.GetAnnotations()
	if _, found := annotations[name]; !found {
		return false
	}
	delete(annotations, name)
	obj.SetAnnotations(annotations)
	return true
}
