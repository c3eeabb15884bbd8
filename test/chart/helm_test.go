// Package chart_test renders the Helm chart with each set of values of
// chart/testdata, and holds what comes out against golden files, against rules that
// every object keeps to, against the flags of the program, and against a real
// kube-apiserver.
package chart_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/test/process"
)

const (
	chart = "../../chart"
	// namespace that the chart is rendered for.
	namespace = "ark-system"
)

// programs is the folder of helm, kubectl and a control plane, built once.
var programs = sync.OnceValues(func() (string, error) { return process.Programs("cluster") })

func program(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// helm runs helm with settings of its own. The error has what helm printed.
func helm(t testing.TB, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	command := exec.Command(program(t, "helm"), args...)
	command.Env = append(os.Environ(),
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// eachSet runs a test for each set of values.
func eachSet(t *testing.T, test func(t *testing.T, set string)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "testdata", "*.values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no set of values (%v)", err)
	}
	for _, file := range files {
		set := strings.TrimSuffix(filepath.Base(file), ".values.yaml")
		t.Run(set, func(t *testing.T) { test(t, set) })
	}
}

func valuesFile(set string) string { return filepath.Join(chart, "testdata", set+".values.yaml") }

// render returns the documents that helm makes of a set of values, hooks included.
func render(t testing.TB, set string, args ...string) []string {
	t.Helper()
	out, err := helm(t, append([]string{"template", "ark", chart, "-n", namespace, "-f", valuesFile(set)}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimPrefix(out, "---\n"), "\n---\n")
}

// object is one object of a rendered chart.
type object struct {
	unstructured.Unstructured
	document string
}

func (o *object) String() string { return key(o.GetKind(), o.GetNamespace(), o.GetName()) }

// key names an object among those of a set.
func key(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// objects returns the objects that helm makes of a set of values.
func objects(t testing.TB, set string, args ...string) []*object {
	t.Helper()
	var all []*object
	for _, document := range render(t, set, args...) {
		o := parse(t, document)
		if o.Object == nil {
			t.Errorf("there is a document without an object:\n%s", document)
			continue
		}
		all = append(all, o)
	}
	return all
}

func parse(t testing.TB, document string) *object {
	t.Helper()
	o := &object{document: document}
	if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
		t.Fatalf("read an object: %v\n%s", err, document)
	}
	return o
}

// as reads an object into its type, which must know all of its fields.
func as[T any](t testing.TB, o *object) T {
	t.Helper()
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true); err != nil {
		t.Fatalf("%s: %v", o, err)
	}
	return typed
}

// field returns a value of an object, such as field(t, o, "spec", "service").
func field[T any](t testing.TB, o *object, path ...string) T {
	t.Helper()
	value, found, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	if err == nil && !found {
		err = errors.New("is missing")
	}
	typed, ok := value.(T)
	if err == nil && !ok {
		err = fmt.Errorf("is a %T", value)
	}
	if err != nil {
		t.Fatalf("%s: %s: %v", o, strings.Join(path, "."), err)
	}
	return typed
}
