package node

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
	"k8s.io/utils/ptr"

	"mckinsey.com/ark/test/cluster/network"
)

// environment is what the container finds in its environment.
func (c *instance) environment(i *image) (map[string]string, error) {
	env := map[string]string{
		"HOSTNAME": c.pod.object().Name, "HOME": "/", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"KUBERNETES_SERVICE_HOST": c.pod.node.API, "KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443",
	}
	for _, variable := range i.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	for _, from := range c.spec.EnvFrom {
		values, err := c.envFrom(from)
		if err != nil {
			return nil, err
		}
		for name, value := range values {
			env[from.Prefix+name] = value
		}
	}
	for _, variable := range c.spec.Env {
		value := expansion.Expand(variable.Value, expansion.MappingFuncFor(env))
		if variable.ValueFrom != nil {
			found, there, err := c.valueFrom(variable.ValueFrom)
			if err != nil {
				return nil, err
			}
			if !there {
				continue
			}
			value = found
		}
		env[variable.Name] = value
	}
	return env, nil
}

func (c *instance) envFrom(from corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.SecretRef != nil:
		return c.pod.secret(c.pod.killed, from.SecretRef.Name, ptr.Deref(from.SecretRef.Optional, false))
	case from.ConfigMapRef != nil:
		return c.pod.configMap(c.pod.killed, from.ConfigMapRef.Name, ptr.Deref(from.ConfigMapRef.Optional, false))
	}
	return nil, fmt.Errorf("envFrom: neither secretRef nor configMapRef")
}

// valueFrom finds the value of one variable; false: there is none, and need not be.
func (c *instance) valueFrom(from *corev1.EnvVarSource) (string, bool, error) {
	o := c.pod.object()
	switch {
	case from.FieldRef != nil:
		value, err := c.pod.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := resource.ExtractResourceValueByContainerName(from.ResourceFieldRef, o, c.spec.Name)
		return value, true, err
	case from.SecretKeyRef != nil:
		optional := ptr.Deref(from.SecretKeyRef.Optional, false)
		values, err := c.pod.secret(c.pod.killed, from.SecretKeyRef.Name, optional)
		return pick(values, from.SecretKeyRef.Key, "Secret", o.Namespace+"/"+from.SecretKeyRef.Name, optional, err)
	case from.ConfigMapKeyRef != nil:
		optional := ptr.Deref(from.ConfigMapKeyRef.Optional, false)
		values, err := c.pod.configMap(c.pod.killed, from.ConfigMapKeyRef.Name, optional)
		return pick(values, from.ConfigMapKeyRef.Key, "ConfigMap", o.Namespace+"/"+from.ConfigMapKeyRef.Name, optional, err)
	}
	return "", false, fmt.Errorf("valueFrom: no source that is supported here")
}

func pick(values map[string]string, key, kind, name string, optional bool, err error) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, ok := values[key]
	if !ok && !optional {
		return "", false, fmt.Errorf("couldn't find key %s in %s %s", key, kind, name)
	}
	return value, ok, nil
}

// field is a field of the Pod, as the downward API gives it.
func (p *pod) field(path string) (string, error) {
	o := p.object()
	switch path {
	case "spec.nodeName":
		return o.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return o.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return network.NodeIP, nil
	case "status.podIP", "status.podIPs":
		return p.network.IP, nil
	}
	return fieldpath.ExtractFieldPathAsString(o, path)
}

// secret reads the values of a Secret; optional: one that is missing has none.
func (p *pod) secret(ctx context.Context, name string, optional bool) (map[string]string, error) {
	secret, err := p.node.client.CoreV1().Secrets(p.object().Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, missing(err, "secret", name, optional)
	}
	values := make(map[string]string, len(secret.Data))
	for key, value := range secret.Data {
		values[key] = string(value)
	}
	return values, nil
}

// configMap reads the values of a ConfigMap; optional: one that is missing has none.
func (p *pod) configMap(ctx context.Context, name string, optional bool) (map[string]string, error) {
	config, err := p.node.client.CoreV1().ConfigMaps(p.object().Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, missing(err, "configmap", name, optional)
	}
	values := maps.Clone(config.Data)
	for key, value := range config.BinaryData {
		values[key] = string(value)
	}
	return values, nil
}

func missing(err error, kind, name string, optional bool) error {
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("read the %s %s: %w", kind, name, err)
	}
	if optional {
		return nil
	}
	return fmt.Errorf("%s %q not found", kind, name)
}
