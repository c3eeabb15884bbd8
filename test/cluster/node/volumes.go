package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/utils/ptr"
)

const (
	// followInterval is how often volumes are brought up to date.
	followInterval = time.Second
	defaultMode    = 0o644
)

// volumes are the folders that a Pod's containers mount.
type volumes struct {
	pod    *pod
	dir    string
	tokens map[string]token // by audience and time
}

// token is one of a service account, and when to ask for another.
type token struct {
	value string
	renew time.Time
}

func newVolumes(p *pod, dir string) *volumes {
	return &volumes{pod: p, dir: filepath.Join(dir, "volumes"), tokens: map[string]token{}}
}

func (v *volumes) path(name string) string { return filepath.Join(v.dir, name) }

// readOnly says that a volume is not the containers' to write to.
func (v *volumes) readOnly(name string) bool {
	for _, volume := range v.pod.object().Spec.Volumes {
		if volume.Name == name {
			return volume.EmptyDir == nil
		}
	}
	return false
}

// fill makes all volumes, or brings them up to date.
func (v *volumes) fill(ctx context.Context) error {
	for _, volume := range v.pod.object().Spec.Volumes {
		if err := v.fillOne(ctx, &volume); err != nil {
			return fmt.Errorf("volume %q: %w", volume.Name, err)
		}
	}
	return nil
}

func (v *volumes) fillOne(ctx context.Context, volume *corev1.Volume) error {
	dir := v.path(volume.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // users of containers go through it
		return err
	}
	if volume.EmptyDir != nil {
		return os.Chmod(dir, 0o777) //nolint:gosec // as a kubelet does
	}
	payload, err := v.payload(ctx, &volume.VolumeSource)
	if err != nil {
		return err
	}
	writer, err := util.NewAtomicWriter(dir, volume.Name)
	if err != nil {
		return err
	}
	return writer.Write(payload, func(sub string) error { return v.own(filepath.Join(dir, sub)) })
}

// own lets the group of the Pod read, and without users of its own everybody.
func (v *volumes) own(dir string) error {
	var group *int64
	if context := v.pod.object().Spec.SecurityContext; context != nil {
		group = context.FSGroup
	}
	return filepath.Walk(dir, func(file string, info os.FileInfo, err error) error {
		switch {
		case err != nil || info.Mode()&os.ModeSymlink != 0:
			return err
		case v.pod.node.Rootless:
			return nil
		case group != nil:
			return errors.Join(os.Chown(file, -1, int(*group)), os.Chmod(file, info.Mode().Perm()|0o440|ptr.Deref(executable(info), 0)))
		}
		return nil
	})
}

// executable is what a folder needs to be entered.
func executable(info os.FileInfo) *os.FileMode {
	if info.IsDir() {
		return ptr.To[os.FileMode](0o110)
	}
	return nil
}

// payload is the content of a volume that the API gives.
func (v *volumes) payload(ctx context.Context, source *corev1.VolumeSource) (map[string]util.FileProjection, error) {
	files := map[string]util.FileProjection{}
	switch {
	case source.Secret != nil:
		s := source.Secret
		optional := ptr.Deref(s.Optional, false)
		values, err := v.pod.secret(ctx, s.SecretName, optional)
		return files, join(err, add(files, values, s.Items, s.DefaultMode, optional))
	case source.ConfigMap != nil:
		s := source.ConfigMap
		optional := ptr.Deref(s.Optional, false)
		values, err := v.pod.configMap(ctx, s.Name, optional)
		return files, join(err, add(files, values, s.Items, s.DefaultMode, optional))
	case source.DownwardAPI != nil:
		return files, v.downward(files, source.DownwardAPI.Items, source.DownwardAPI.DefaultMode)
	case source.Projected != nil:
		for _, one := range source.Projected.Sources {
			if err := v.projected(ctx, files, &one, source.Projected.DefaultMode); err != nil {
				return nil, err
			}
		}
		return files, nil
	}
	return nil, errors.New("a kind of volume that is not supported here")
}

// join is the first error.
func join(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (v *volumes) projected(ctx context.Context, files map[string]util.FileProjection, one *corev1.VolumeProjection, mode *int32) error {
	switch {
	case one.Secret != nil:
		optional := ptr.Deref(one.Secret.Optional, false)
		values, err := v.pod.secret(ctx, one.Secret.Name, optional)
		return join(err, add(files, values, one.Secret.Items, mode, optional))
	case one.ConfigMap != nil:
		optional := ptr.Deref(one.ConfigMap.Optional, false)
		values, err := v.pod.configMap(ctx, one.ConfigMap.Name, optional)
		return join(err, add(files, values, one.ConfigMap.Items, mode, optional))
	case one.DownwardAPI != nil:
		return v.downward(files, one.DownwardAPI.Items, mode)
	case one.ServiceAccountToken != nil:
		value, err := v.token(ctx, one.ServiceAccountToken)
		if err == nil {
			put(files, one.ServiceAccountToken.Path, value, nil, mode)
		}
		return err
	}
	return errors.New("a kind of projection that is not supported here")
}

// add puts the values of a Secret or ConfigMap where the Pod wants them.
func add(files map[string]util.FileProjection, values map[string]string, items []corev1.KeyToPath, mode *int32, optional bool) error {
	if len(items) == 0 {
		for key, value := range values {
			put(files, key, value, nil, mode)
		}
		return nil
	}
	for _, item := range items {
		value, ok := values[item.Key]
		if ok {
			put(files, item.Path, value, item.Mode, mode)
		} else if !optional {
			return fmt.Errorf("references non-existent key: %s", item.Key)
		}
	}
	return nil
}

func put(files map[string]util.FileProjection, path, value string, modes ...*int32) {
	mode := int32(defaultMode)
	for _, m := range modes {
		if m != nil {
			mode = *m
			break
		}
	}
	files[path] = util.FileProjection{Data: []byte(value), Mode: mode}
}

func (v *volumes) downward(files map[string]util.FileProjection, items []corev1.DownwardAPIVolumeFile, mode *int32) error {
	for _, item := range items {
		if item.FieldRef == nil {
			return errors.New("downwardAPI: only fieldRef is supported here")
		}
		value, err := v.pod.field(item.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		put(files, item.Path, value, item.Mode, mode)
	}
	return nil
}

// token is one of the Pod's service account, bound to the Pod.
func (v *volumes) token(ctx context.Context, projection *corev1.ServiceAccountTokenProjection) (string, error) {
	seconds := ptr.Deref(projection.ExpirationSeconds, 3600)
	key := fmt.Sprint(projection.Audience, seconds)
	if t, ok := v.tokens[key]; ok && time.Now().Before(t.renew) {
		return t.value, nil
	}
	o := v.pod.object()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &seconds, BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: o.Name, UID: o.UID},
	}}
	if projection.Audience != "" {
		request.Spec.Audiences = strings.Fields(projection.Audience)
	}
	made, err := v.pod.node.client.CoreV1().ServiceAccounts(o.Namespace).CreateToken(ctx, o.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	v.tokens[key] = token{made.Status.Token, time.Now().Add(time.Until(made.Status.ExpirationTimestamp.Time) * 4 / 5)}
	return made.Status.Token, nil
}

// follow brings the volumes up to date until ctx ends.
func (v *volumes) follow(ctx context.Context) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// What was there stays there while its source cannot be read.
			if err := v.fill(ctx); err != nil && ctx.Err() == nil {
				klog.V(2).InfoS("A volume is not brought up to date", "pod", klog.KObj(v.pod.object()), "err", err)
			}
		}
	}
}

func (v *volumes) remove() error { return os.RemoveAll(v.dir) }
