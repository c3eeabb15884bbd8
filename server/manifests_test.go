package server_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/server"
)

// compatManifests are manifests of the releases that the API has to be compatible
// with. They lie beside the repository, if at all.
const compatManifests = "../../shared/compat/manifests"

// refusedManifests are refused for a reason of Ark's own, by file and name, with
// the field that is at fault.
var refusedManifests = map[string]string{
	"teams/tests/test-team.yaml research-analysis-team-test": "spec.maxTurns",
}

// TestManifests creates every Ark object of the manifests.
func TestManifests(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(compatManifests); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there: nothing to create", compatManifests)
	}
	f := start(t, func(o *server.Options) { o.SkipReferenceChecks = true })
	ns := f.inNamespace(t)
	seen := 0
	err := filepath.WalkDir(compatManifests, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		objects, err := arkObjects(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, o := range objects {
			seen++
			f.createManifest(t, ns, path, o)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < len(minimal) {
		t.Errorf("only %d objects were found", seen)
	}
}

// arkObjects reads the objects of Ark's group from a file.
func arkObjects(path string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return nil, err
		}
		if o.GroupVersionKind().Group == "ark.mckinsey.com" {
			objects = append(objects, o)
		}
	}
}

func (f *fixture) createManifest(t *testing.T, ns, path string, o *unstructured.Unstructured) {
	t.Helper()
	plural := map[string]string{"Query": "queries", "Memory": "memories"}[o.GetKind()]
	if plural == "" {
		plural = strings.ToLower(o.GetKind()) + "s"
	}
	o.SetNamespace(ns)
	_, err := f.dynamic.Resource(gvr(o.GetAPIVersion(), plural)).Namespace(ns).Create(t.Context(), o, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	for refused, at := range refusedManifests {
		if strings.HasSuffix(path+" "+o.GetName(), refused) {
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), at) {
				t.Errorf("%s: %s is not refused for %s: %v", path, o.GetName(), at, err)
			}
			return
		}
	}
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
