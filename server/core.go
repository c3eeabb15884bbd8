package server

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// immortal namespaces exist always.
var immortal = sets.New(metav1.NamespaceDefault, metav1.NamespaceSystem)

// applyAdmission refuses objects in namespaces that do not exist or are being
// deleted, and runs Ark's own checks. It returns the informers that it reads
// namespaces from; the server starts them.
func applyAdmission(ctx context.Context, config *genericapiserver.Config, own ...admission.Interface) (informers.SharedInformerFactory, error) {
	client, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return nil, fmt.Errorf("make the loopback client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	plugin, err := lifecycle.NewLifecycle(immortal)
	if err != nil {
		return nil, fmt.Errorf("make namespace admission: %w", err)
	}
	initializer.New(client, nil, factory, config.Authorization.Authorizer, config.FeatureGate, config.EffectiveVersion, ctx.Done(), nil).Initialize(plugin)
	if err := plugin.ValidateInitialization(); err != nil {
		return nil, fmt.Errorf("prepare namespace admission: %w", err)
	}
	config.AdmissionControl = admission.NewChainHandler(append([]admission.Interface{plugin}, own...)...)
	return factory, nil
}
