package strategy

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/server/table"
)

// eventTTL is how long an Event is kept after its last change, in seconds.
const eventTTL = uint64(time.Hour / time.Second)

func events() Kind {
	type T = *corev1.Event
	return &kind[T]{
		groupVersion: corev1.SchemeGroupVersion,
		resource:     "events",
		singular:     "event",
		shortNames:   []string{"ev"},
		builtIn:      true,
		newObject:    func() T { return &corev1.Event{} },
		newList:      func() runtime.Object { return &corev1.EventList{} },
		validate:     validateEvent,
		fields:       EventFields,
		ttl:          func(runtime.Object, uint64, bool) (uint64, error) { return eventTTL, nil },
		columns: []table.Column[T]{
			{Name: "Last Seen", Type: "string", Description: "Time since it happened last", Value: func(o T, now time.Time) any { return table.Since(lastSeen(o), now) }},
			table.Text("Type", "Normal or Warning", func(o T) string { return o.Type }),
			table.Text("Reason", "What happened, in one word", func(o T) string { return o.Reason }),
			table.Text("Object", "What it happened to", involvedObject),
			table.OnlyWide(table.Text("Subobject", "The part that it happened to", func(o T) string { return o.InvolvedObject.FieldPath })),
			table.OnlyWide(table.Text("Source", "Who reports it", eventSource)),
			table.Text("Message", "What happened, in words", func(o T) string { return strings.TrimSpace(o.Message) }),
			table.OnlyWide(table.Column[T]{Name: "First Seen", Type: "string", Description: "Time since it happened first", Value: func(o T, now time.Time) any { return table.Since(firstSeen(o), now) }}),
			table.OnlyWide(table.Integer("Count", "How often it happened", eventCount)),
			table.OnlyWide(table.Name[T]()),
		},
	}
}

// EventFields are what field selectors may ask of an Event.
func EventFields(e *corev1.Event) fields.Set {
	object, source := e.InvolvedObject, e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return fields.Set{
		"involvedObject.kind":            object.Kind,
		"involvedObject.namespace":       object.Namespace,
		"involvedObject.name":            object.Name,
		"involvedObject.uid":             string(object.UID),
		"involvedObject.apiVersion":      object.APIVersion,
		"involvedObject.resourceVersion": object.ResourceVersion,
		"involvedObject.fieldPath":       object.FieldPath,
		"reason":                         e.Reason,
		"reportingComponent":             e.ReportingController,
		"source":                         source,
		"type":                           e.Type,
	}
}

// validateEvent wants an Event in the namespace of its object; those of objects
// without a namespace are in the namespace default.
func validateEvent(e *corev1.Event) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&e.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	path := field.NewPath("involvedObject", "namespace")
	want := e.InvolvedObject.Namespace
	if want == "" {
		want = metav1.NamespaceDefault
	}
	if e.Namespace != want && !(e.InvolvedObject.Namespace == "" && e.Namespace == metav1.NamespaceSystem) {
		errs = append(errs, field.Invalid(path, e.InvolvedObject.Namespace, fmt.Sprintf("does not match the event's namespace %q", e.Namespace)))
	}
	return errs
}

func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	default:
		return firstSeen(e)
	}
}

func firstSeen(e *corev1.Event) time.Time {
	switch {
	case !e.FirstTimestamp.IsZero():
		return e.FirstTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}

func involvedObject(e *corev1.Event) string {
	if e.InvolvedObject.Name == "" {
		return strings.ToLower(e.InvolvedObject.Kind)
	}
	return strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
}

func eventSource(e *corev1.Event) string {
	if e.Source.Component == "" {
		return e.ReportingController
	}
	if e.Source.Host == "" {
		return e.Source.Component
	}
	return e.Source.Component + ", " + e.Source.Host
}

func eventCount(e *corev1.Event) int64 {
	switch {
	case e.Series != nil:
		return int64(e.Series.Count)
	case e.Count > 0:
		return int64(e.Count)
	default:
		return 1
	}
}
