package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
	"k8s.io/utils/ptr"

	"mckinsey.com/ark/test/cluster/container"
)

// image is the part of an image's configuration that a container needs.
type image struct {
	Entrypoint, Cmd, Env []string
	User, WorkingDir     string

	root string
}

// image finds what the container is made of.
func (n *Node) image(name string) (*image, error) {
	repository, tag := name, "latest"
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		repository, tag = name[:colon], name[colon+1:]
	}
	dir := filepath.Join(n.Images, filepath.FromSlash(repository), tag)
	content, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if n.Images == "" || err != nil {
		return nil, &reasonError{"ErrImagePull", fmt.Errorf("no image %s:%s is in the folder of images", repository, tag)}
	}
	i := &image{root: filepath.Join(dir, "rootfs")}
	if err := json.Unmarshal(content, i); err != nil {
		return nil, &reasonError{"ErrImagePull", fmt.Errorf("read the configuration of %s:%s: %w", repository, tag, err)}
	}
	return i, nil
}

// prepare writes down what the container is, and returns the file.
func (c *instance) prepare() (string, error) {
	i, err := c.pod.node.image(c.spec.Image)
	if err != nil {
		return "", err
	}
	env, err := c.environment(i)
	if err != nil {
		return "", &reasonError{"CreateContainerConfigError", err}
	}
	s := container.Spec{
		Hostname: c.pod.object().Name, Image: i.root, Rootless: c.pod.node.Rootless,
		Root: filepath.Join(c.pod.node.podDir(c.pod.object().UID), "root", c.spec.Name),
		Dir:  i.WorkingDir, Args: command(c.spec, i, env),
	}
	for name, value := range env {
		s.Env = append(s.Env, name+"="+value)
	}
	if c.spec.WorkingDir != "" {
		s.Dir = c.spec.WorkingDir
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	if err := c.identity(&s, i); err != nil {
		return "", &reasonError{"CreateContainerConfigError", err}
	}
	if s.Mounts, err = c.mounts(env); err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.Root, 0o755); err != nil { //nolint:gosec // users of containers go through it
		return "", fmt.Errorf("make a root: %w", err)
	}
	content, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.pod.node.podDir(c.pod.object().UID), c.spec.Name+".json")
	return file, os.WriteFile(file, content, 0o600)
}

// command is what runs: the container's words first, then the image's.
func command(spec *corev1.Container, i *image, env map[string]string) []string {
	program, args := i.Entrypoint, i.Cmd
	if len(spec.Command) > 0 {
		program, args = spec.Command, nil
	}
	if len(spec.Args) > 0 {
		args = spec.Args
	}
	mapping := expansion.MappingFuncFor(env)
	var all []string
	for _, word := range append(append([]string{}, program...), args...) {
		all = append(all, expansion.Expand(word, mapping))
	}
	return all
}

// identity is as whom the program runs, by the container, the Pod or the image.
func (c *instance) identity(s *container.Spec, i *image) error {
	pod := ptr.Deref(c.pod.object().Spec.SecurityContext, corev1.PodSecurityContext{})
	own := ptr.Deref(c.spec.SecurityContext, corev1.SecurityContext{})
	user, group, _ := strings.Cut(i.User, ":")
	for _, part := range []struct {
		text   string
		number *int
	}{{user, &s.UID}, {group, &s.GID}} {
		if part.text == "" {
			continue
		}
		value, err := strconv.Atoi(part.text)
		if err != nil {
			return fmt.Errorf("the user %q of the image is no number", i.User)
		}
		*part.number = value
	}
	for _, uid := range []*int64{pod.RunAsUser, own.RunAsUser} {
		if uid != nil {
			s.UID = int(*uid)
		}
	}
	for _, gid := range []*int64{pod.RunAsGroup, own.RunAsGroup} {
		if gid != nil {
			s.GID = int(*gid)
		}
	}
	for _, group := range pod.SupplementalGroups {
		s.Groups = append(s.Groups, int(group))
	}
	if pod.FSGroup != nil {
		s.Groups = append(s.Groups, int(*pod.FSGroup))
	}
	s.ReadOnlyRoot = ptr.Deref(own.ReadOnlyRootFilesystem, false)
	if ptr.Deref(own.RunAsNonRoot, ptr.Deref(pod.RunAsNonRoot, false)) && s.UID == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	return nil
}

// mounts are the volumes of the container, and the files that every container has.
func (c *instance) mounts(env map[string]string) ([]container.Mount, error) {
	var all []container.Mount
	for _, m := range c.spec.VolumeMounts {
		source := c.pod.volumes.path(m.Name)
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expansion.Expand(m.SubPathExpr, expansion.MappingFuncFor(env))
		}
		source = filepath.Join(source, filepath.FromSlash(sub))
		if _, err := os.Stat(source); err != nil {
			return nil, &reasonError{"CreateContainerConfigError", fmt.Errorf("the volume %s has no %s", m.Name, sub)}
		}
		all = append(all, container.Mount{Source: source, Target: filepath.Clean(m.MountPath), ReadOnly: m.ReadOnly || c.pod.volumes.readOnly(m.Name)})
	}
	dir := filepath.Join(c.pod.node.podDir(c.pod.object().UID), "etc")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for everybody
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	o := c.pod.object()
	files := map[string]string{
		"hostname": o.Name + "\n",
		"hosts":    "127.0.0.1\tlocalhost\n" + c.pod.network.IP + "\t" + o.Name + "\n",
		"resolv.conf": fmt.Sprintf("nameserver %s\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
			c.pod.node.DNS, o.Namespace),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // for everybody
			return nil, fmt.Errorf("write /etc/%s: %w", name, err)
		}
		all = append(all, container.Mount{Source: filepath.Join(dir, name), Target: "/etc/" + name, ReadOnly: true})
	}
	return all, nil
}
