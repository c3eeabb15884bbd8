package v1prealpha1

import "k8s.io/apimachinery/pkg/runtime"

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	scheme.AddTypeDefaultingFunc(&A2AServer{}, func(o any) { SetA2AServerDefaults(o.(*A2AServer)) })
	return nil
}

// SetA2AServerDefaults fills in the interval and the timeout.
func SetA2AServerDefaults(s *A2AServer) {
	if s.Spec.PollInterval == "" {
		s.Spec.PollInterval = "1m"
	}
	if s.Spec.Timeout == "" {
		s.Spec.Timeout = "5m"
	}
}
