package v1prealpha1

import (
	corev1 "k8s.io/api/core/v1"

	"mckinsey.com/ark/api/v1alpha1"
)

// ValueSource is a text that stands in the manifest or is looked up when it is
// needed. If both are given, value wins.
type ValueSource struct {
	// Value is the text itself.
	// +optional
	Value string `json:"value,omitempty"`
	// ValueFrom says where the text is looked up.
	// +optional
	ValueFrom *ValueFromSource `json:"valueFrom,omitempty"`
}

// ValueFromSource names one place that a text is looked up in.
type ValueFromSource struct {
	// SecretKeyRef takes the text from a key of a Secret in the same namespace.
	// +optional
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
	// ConfigMapKeyRef takes the text from a key of a ConfigMap in the same namespace.
	// +optional
	ConfigMapKeyRef *corev1.ConfigMapKeySelector `json:"configMapKeyRef,omitempty"`
	// ServiceRef makes a URL that leads to a Service.
	// +optional
	ServiceRef *v1alpha1.ServiceReference `json:"serviceRef,omitempty"`
}

// Current returns the same source as v1alpha1 has it, for code that resolves both.
// The copy shares the references of s.
func (s ValueSource) Current() v1alpha1.ValueSource {
	out := v1alpha1.ValueSource{Value: s.Value}
	if s.ValueFrom != nil {
		out.ValueFrom = &v1alpha1.ValueFromSource{
			SecretKeyRef:    s.ValueFrom.SecretKeyRef,
			ConfigMapKeyRef: s.ValueFrom.ConfigMapKeyRef,
			ServiceRef:      s.ValueFrom.ServiceRef,
		}
	}
	return out
}
