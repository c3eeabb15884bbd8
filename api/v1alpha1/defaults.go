package v1alpha1

import (
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
)

// addDefaultingFuncs registers the defaults of every kind that has some.
func addDefaultingFuncs(scheme *runtime.Scheme) error {
	scheme.AddTypeDefaultingFunc(&A2ATask{}, func(o any) { SetA2ATaskDefaults(o.(*A2ATask)) })
	scheme.AddTypeDefaultingFunc(&Agent{}, func(o any) { SetAgentDefaults(o.(*Agent)) })
	scheme.AddTypeDefaultingFunc(&MCPServer{}, func(o any) { SetMCPServerDefaults(o.(*MCPServer)) })
	scheme.AddTypeDefaultingFunc(&Model{}, func(o any) { SetModelDefaults(o.(*Model)) })
	scheme.AddTypeDefaultingFunc(&Query{}, func(o any) { SetQueryDefaults(o.(*Query)) })
	scheme.AddTypeDefaultingFunc(&Tool{}, func(o any) { SetToolDefaults(o.(*Tool)) })
	return nil
}

// setDefault gives *field the value def if it is empty.
func setDefault[T ~string](field *T, def T) {
	if *field == "" {
		*field = def
	}
}

// SetA2ATaskDefaults fills in the limits of a task, and the phase of a status.
func SetA2ATaskDefaults(t *A2ATask) {
	if !reflect.ValueOf(t.Status).IsZero() {
		setDefault(&t.Status.Phase, A2ATaskPending)
	}
	setDefault(&t.Spec.Timeout, "12h")
	setDefault(&t.Spec.TTL, "720h")
	setDefault(&t.Spec.PollInterval, "5s")
}

// SetAgentDefaults fills in what happens to calls that nobody approved.
func SetAgentDefaults(a *Agent) {
	for i := range a.Spec.Tools {
		setApprovalDefaults(a.Spec.Tools[i].Approval)
	}
}

// SetMCPServerDefaults fills in the transport, the intervals and the keys of Secrets.
func SetMCPServerDefaults(s *MCPServer) {
	setDefault(&s.Spec.Transport, TransportHTTP)
	setDefault(&s.Spec.Timeout, "30s")
	setDefault(&s.Spec.PollInterval, "1m")
	auth := s.Spec.Authorization
	if auth == nil {
		return
	}
	setDefault(&auth.TokenSecretRef.AccessTokenKey, "access_token")
	if auth.ClientCredentials == nil {
		return
	}
	if jwt := auth.ClientCredentials.ClientAuthentication.PrivateKeyJWT; jwt != nil {
		setDefault(&jwt.SecretKeyRef.Key, "private.pem")
		setDefault(&jwt.Algorithm, SigningES256)
	}
}

// SetModelDefaults fills in the type and the interval between two probes.
func SetModelDefaults(m *Model) {
	setDefault(&m.Spec.Type, ModelTypeCompletions)
	setDefault(&m.Spec.PollInterval, "1m")
}

// SetQueryDefaults fills in the type of the input and the timeout, and the phase of
// a status. The ttl depends on the ArkConfig and is filled in at admission.
func SetQueryDefaults(q *Query) {
	if !reflect.ValueOf(q.Status).IsZero() {
		setDefault(&q.Status.Phase, QueryPending)
	}
	setDefault(&q.Spec.Type, QueryTypeUser)
	setDefault(&q.Spec.Timeout, "5m")
}

// SetToolDefaults fills in the method of a request, and what happens to calls that
// nobody approved.
func SetToolDefaults(t *Tool) {
	if t.Spec.HTTP != nil {
		setDefault(&t.Spec.HTTP.Method, MethodGet)
	}
	setApprovalDefaults(t.Spec.Approval)
}

func setApprovalDefaults(a *ToolApprovalConfig) {
	if a != nil {
		setDefault(&a.OnTimeout, ApprovalReject)
	}
}
