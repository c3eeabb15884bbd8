package schema_test

import (
	"testing"

	"mckinsey.com/ark/api/v1alpha1"
)

// BenchmarkQuery measures what the schema costs a write: an object of usual size,
// with managedFields, and a status as long as an answer.
func BenchmarkQuery(b *testing.B) {
	s, query := of(b, "queries"), read[v1alpha1.Query](b, usualQuery)
	born, changed := query.DeepCopy(), query.DeepCopy()
	born.Status = v1alpha1.QueryStatus{Phase: v1alpha1.QueryQueued, Conditions: query.Status.Conditions}
	changed.Spec.Cancel = true
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			if errs := s.Validate(b.Context(), born); len(errs) > 0 {
				b.Fatal(errs)
			}
		}
	})
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			if errs := s.ValidateUpdate(b.Context(), changed, query); len(errs) > 0 {
				b.Fatal(errs)
			}
		}
	})
	b.Run("status", func(b *testing.B) {
		for b.Loop() {
			if errs := s.ValidateStatus(b.Context(), query, born); len(errs) > 0 {
				b.Fatal(errs)
			}
		}
	})
}

const usualQuery = `{
  "metadata": {"name": "asked", "namespace": "default", "resourceVersion": "7", "labels": {"team": "blue"}, "annotations": {"ark.mckinsey.com/priority": "3"},
    "managedFields": [{"manager": "kubectl", "operation": "Apply", "apiVersion": "ark.mckinsey.com/v1alpha1", "time": "2026-01-01T00:00:00Z",
      "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:input": {}, "f:parameters": {}, "f:target": {"f:name": {}, "f:type": {}}}}}]},
  "spec": {"type": "user", "input": "What is the weather in {{ .city }}?", "target": {"type": "agent", "name": "weather"},
    "parameters": [{"name": "city", "value": "Paris"}, {"name": "key", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "sessionId": "s", "timeout": "5m", "ttl": "720h"},
  "status": {"phase": "done", "conditions": [{"type": "Completed", "status": "True", "reason": "QuerySucceeded", "message": "",
      "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "response": {"content": "Sunny.", "phase": "done", "raw": "[{\"role\":\"assistant\",\"content\":\"Sunny.\"}]",
      "target": {"type": "agent", "name": "weather"}},
    "tokenUsage": {"promptTokens": 10, "completionTokens": 2, "totalTokens": 12}, "conversationId": "c", "duration": "2s"}
}`
