package execution

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

func TestStatusOverALife(t *testing.T) {
	t.Parallel()
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	check := func(phase arkv1alpha1.QueryPhase, status metav1.ConditionStatus, reason string, since int64) {
		t.Helper()
		c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted)
		if q.Status.Phase != phase || c == nil || c.Status != status || c.Reason != reason || c.Message == "" || c.ObservedGeneration != 1 || c.LastTransitionTime.Unix() != since {
			t.Errorf("phase %s, condition %+v, want %s %s %s since %d", q.Status.Phase, c, phase, status, reason, since)
		}
	}
	q.Status.Response = &arkv1alpha1.Response{Content: "of an earlier life"}
	MarkQueued(q, time.Unix(100, 0))
	check(arkv1alpha1.QueryQueued, metav1.ConditionFalse, arkv1alpha1.ReasonQueryQueued, 100)
	if q.Status.Response != nil {
		t.Errorf("response %+v while queued", q.Status.Response)
	}
	MarkRunning(q, time.Unix(200, 0))
	check(arkv1alpha1.QueryRunning, metav1.ConditionFalse, arkv1alpha1.ReasonQueryRunning, 100)
	o := Outcome{
		Phase: arkv1alpha1.QueryDone, Reason: arkv1alpha1.ReasonQuerySucceeded, Message: "ok",
		Response: &arkv1alpha1.Response{Content: "hello"}, TokenUsage: arkv1alpha1.TokenUsage{TotalTokens: 3},
		ConversationID: "talk", Duration: 1500*time.Millisecond + 7, MemoryUnavailable: "no memory",
	}
	o.Apply(q, time.Unix(300, 0))
	check(arkv1alpha1.QueryDone, metav1.ConditionTrue, arkv1alpha1.ReasonQuerySucceeded, 300)
	if s := q.Status; s.Response.Content != "hello" || s.TokenUsage.TotalTokens != 3 || s.ConversationID != "talk" || s.Duration != "1.5s" {
		t.Errorf("status %+v", s)
	}
	if c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionMemoryUnavailable); c == nil || c.Status != metav1.ConditionTrue || c.Reason != arkv1alpha1.ReasonNoMemoryBackend {
		t.Errorf("memory condition %+v", c)
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	o := Ended(q, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInQueue, strings.Repeat("long ", 10_000))
	o.Apply(q, time.Unix(1, 0))
	c := meta.FindStatusCondition(q.Status.Conditions, arkv1alpha1.ConditionCompleted)
	if q.Status.Phase != arkv1alpha1.QueryError || c.Reason != arkv1alpha1.ReasonTimedOutInQueue || len(c.Message) > 32768 {
		t.Errorf("status %+v", q.Status)
	}
	if r := q.Status.Response; r.Content != c.Message || *r.Target != *q.Spec.Target || q.Status.Duration != "" || q.Status.TokenUsage != nil {
		t.Errorf("status %+v", q.Status)
	}
	canceled := Ended(q, arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled, "canceled")
	canceled.Apply(q, time.Unix(2, 0))
	if q.Status.Phase != arkv1alpha1.QueryCanceled || q.Status.Response != nil {
		t.Errorf("status %+v", q.Status)
	}
	noTarget := Ended(&arkv1alpha1.Query{}, arkv1alpha1.QueryError, "X", "y")
	if noTarget.Response.Target != nil {
		t.Errorf("target %+v", noTarget.Response.Target)
	}
}

func TestResponseIsCut(t *testing.T) {
	t.Parallel()
	encode := func(messages ...model.Message) string {
		raw, err := json.Marshal(messages)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	assistant := func(text string) model.Message { return model.Message{Role: model.RoleAssistant, Content: text} }
	many := make([]model.Message, 20_000)
	for i := range many {
		many[i] = assistant(strings.Repeat("m", 100))
	}
	call := model.Message{Role: model.RoleAssistant, ToolCalls: []model.ToolCall{{ID: "1", Function: model.FunctionCall{Name: "f", Arguments: strings.Repeat("a", 2<<20)}}}}
	tests := []struct {
		name         string
		content, raw string
		whole        bool
	}{
		{"small", "hello", encode(assistant("hello")), true},
		{"just fits", strings.Repeat("x", MaxResponse/2-100), encode(assistant(strings.Repeat("x", MaxResponse/2-100))), true},
		{"large answer", strings.Repeat("é", 5<<20), encode(assistant(strings.Repeat("é", 5<<20))), false},
		{"large result, small answer", "small", encode(call, assistant(strings.Repeat("r", 5<<20)), assistant("small")), false},
		{"quotation marks", strings.Repeat(`"`, MaxResponse/2), encode(assistant(strings.Repeat(`"`, MaxResponse/2))), false},
		{"NULs", strings.Repeat("\x00", MaxResponse/4), encode(assistant(strings.Repeat("\x00", MaxResponse/4))), false},
		{"many messages", "small", encode(many...), false},
		{"not messages", "small", strings.Repeat("x", 2*MaxResponse), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := &arkv1alpha1.Response{Content: tt.content, Raw: tt.raw}
			got := capped(in)
			encoded, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if len(encoded) > MaxResponse+100 || len(got.Content)+len(got.Raw) > MaxResponse {
				t.Errorf("%d bytes of JSON, content %d, raw %d", len(encoded), len(got.Content), len(got.Raw))
			}
			if tt.whole != reflect.DeepEqual(in, got) {
				t.Errorf("changed: %t", tt.whole)
			}
			if in.Content != tt.content || in.Raw != tt.raw {
				t.Error("the original was changed")
			}
			if !tt.whole && !strings.Contains(got.Content+got.Raw, "[cut: ") {
				t.Error("the cut is not marked")
			}
			var messages []model.Message
			if err := json.Unmarshal([]byte(got.Raw), &messages); err != nil || len(messages) == 0 {
				t.Errorf("raw is no list of messages: %v", err)
			}
			if tt.content == "small" && got.Content != "small" {
				t.Errorf("content %.100q", got.Content)
			}
		})
	}
}

func TestApplyCutsTheResponse(t *testing.T) {
	t.Parallel()
	q := newQuery(arkv1alpha1.TargetModel, "m", "hi")
	Outcome{Phase: arkv1alpha1.QueryDone, Reason: "X", Response: &arkv1alpha1.Response{Content: strings.Repeat("x", 3<<20), Raw: "[]"}}.Apply(q, time.Unix(1, 0))
	if n := len(q.Status.Response.Content); n > MaxResponse {
		t.Errorf("content of %d bytes in the status", n)
	}
}

// encodedSize must never be less than what encoding/json makes of a text.
func FuzzEncodedSize(f *testing.F) {
	for _, s := range []string{"", "a\"\\\n\b\f\x00\x7f", "<&>", "\u2028é😀", "\xff\xed\xa0\x80"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, size int) {
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := encodedSize(s); got < len(encoded)-2 {
			t.Errorf("encodedSize(%q) = %d, JSON has %d", s, got, len(encoded)-2)
		}
		if size = 100 + size&0xffff; encodedSize(cut(s, size)) > size {
			t.Errorf("cut(%q, %d) has %d bytes", s, size, encodedSize(cut(s, size)))
		}
	})
}

func FuzzCleanJSON(f *testing.F) {
	for _, s := range []string{"", "\x00", `\u0000`, "\\\x00", `\\`, "a\\\\\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(cleanJSON(encoded), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		var whole string // JSON has replaced what is not UTF-8.
		if err := json.Unmarshal(encoded, &whole); err != nil {
			t.Fatal(err)
		}
		if want := cleanText(whole); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	})
}
