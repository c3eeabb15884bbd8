package valuesource

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

const httpsPort = 443

// serviceURL returns the URL of a Service: https if the port is 443. A Service
// of type ExternalName is answered for as DNS would, so that it works where no
// cluster DNS is.
func (r *Resolver) serviceURL(ctx context.Context, ref *arkv1alpha1.ServiceReference) (string, error) {
	namespace := ref.Namespace
	if namespace == "" {
		namespace = r.namespace
	}
	if namespace != r.namespace && !r.across {
		return "", fmt.Errorf("the Service %q: a reference into namespace %q is followed only for a Query with a serviceAccount, or where the operator allows it (--allow-cross-namespace)", ref.Name, namespace)
	}
	var service corev1.Service
	if err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, &service); err != nil {
		return "", describe(err, "Service", namespace, ref.Name)
	}
	host := fmt.Sprintf("%s.%s.svc.cluster.local", ref.Name, namespace)
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		host = service.Spec.ExternalName
	}
	address := url.URL{Scheme: "http", Host: host}
	if ref.Port != "" {
		port, err := servicePort(&service, ref.Port)
		if err != nil {
			return "", err
		}
		address.Host = net.JoinHostPort(host, strconv.Itoa(int(port)))
		if port == httpsPort {
			address.Scheme = "https"
		}
	}
	text := address.String()
	if ref.Path != "" {
		text += "/" + strings.TrimPrefix(ref.Path, "/")
	}
	return text, nil
}

func servicePort(service *corev1.Service, port string) (int32, error) {
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		return int32(number), nil
	}
	for _, p := range service.Spec.Ports {
		if p.Name == port {
			return p.Port, nil
		}
	}
	return 0, fmt.Errorf("the Service %q in namespace %q has no port named %q", service.Name, service.Namespace, port)
}
