package v1prealpha1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mckinsey.com/ark/api/v1alpha1"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	empty := &A2AServer{}
	scheme.Default(empty)
	if diff := cmp.Diff(A2AServerSpec{PollInterval: "1m", Timeout: "5m"}, empty.Spec); diff != "" {
		t.Errorf("empty (-want +got):\n%s", diff)
	}
	own := &A2AServer{Spec: A2AServerSpec{PollInterval: "2m", Timeout: "3m"}}
	scheme.Default(own)
	if diff := cmp.Diff(A2AServerSpec{PollInterval: "2m", Timeout: "3m"}, own.Spec); diff != "" {
		t.Errorf("with its own (-want +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	address := ValueSource{ValueFrom: &ValueFromSource{ServiceRef: &v1alpha1.ServiceReference{Name: "agents"}}}
	keyless := ValueSource{ValueFrom: &ValueFromSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "c"},
	}}}
	meta := metav1.ObjectMeta{Name: "x", Namespace: "ns"}
	tests := []struct {
		name string
		obj  runtime.Object
		want []string
	}{
		{"A2AServer", &A2AServer{ObjectMeta: meta, Spec: A2AServerSpec{Address: address, Timeout: "5m"}}, nil},
		{"A2AServer being deleted", &A2AServer{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}}, nil},
		{"A2AServer without address", &A2AServer{ObjectMeta: meta}, []string{"spec.address"}},
		{"A2AServer without key", &A2AServer{ObjectMeta: meta, Spec: A2AServerSpec{Address: keyless}}, []string{"spec.address.valueFrom.configMapKeyRef.key"}},
		{"A2AServer with bad times", &A2AServer{ObjectMeta: meta, Spec: A2AServerSpec{Address: address, Timeout: "x", PollInterval: "0s"}}, []string{"spec.pollInterval", "spec.timeout"}},
		{"ExecutionEngine", &ExecutionEngine{ObjectMeta: meta, Spec: ExecutionEngineSpec{Address: address}}, nil},
		{"ExecutionEngine being deleted", &ExecutionEngine{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}}, nil},
		{"ExecutionEngine named a2a", &ExecutionEngine{ObjectMeta: metav1.ObjectMeta{Name: "a2a", Namespace: "ns"}, Spec: ExecutionEngineSpec{Address: address}}, []string{"metadata.name"}},
		{"ExecutionEngine without address", &ExecutionEngine{ObjectMeta: meta}, []string{"spec.address"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			switch o := tt.obj.(type) {
			case *A2AServer:
				for _, err := range ValidateA2AServer(o) {
					got = append(got, err.Field)
				}
			case *ExecutionEngine:
				for _, err := range ValidateExecutionEngine(o) {
					got = append(got, err.Field)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}
