package install_test

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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
)

// compatFolder holds schemas and manifests of the releases that this API has to be
// compatible with. It lies beside the repository, if at all.
const compatFolder = "../../../shared/compat"

// refusedManifests are objects that the API refuses for a reason of its own, by
// the end of the file's path and the name, with the field that is at fault.
var refusedManifests = map[string]string{
	"teams/tests/test-team.yaml research-analysis-team-test": "spec.maxTurns",
}

func compatFiles(t *testing.T, folder string) []string {
	t.Helper()
	root := filepath.Join(compatFolder, folder)
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there: nothing to compare with", root)
	}
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".yaml") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no file in %s", root)
	}
	return files
}

// Every Ark object in the manifests decodes without an unknown field, passes
// migration and validation, and comes back from its encoding as it was written.
func TestManifests(t *testing.T) {
	t.Parallel()
	codecs := serializer.NewCodecFactory(newScheme(t), serializer.EnableStrict)
	seen := 0
	for _, file := range compatFiles(t, "manifests") {
		for i, document := range arkDocuments(t, file) {
			seen++
			t.Run(fmt.Sprintf("%s#%d", strings.TrimPrefix(file, compatFolder+"/manifests/"), i), func(t *testing.T) {
				t.Parallel()
				checkManifest(t, codecs, file, document)
			})
		}
	}
	if seen < len(kinds) {
		t.Errorf("only %d objects were found", seen)
	}
}

// arkDocuments returns the documents of a file that are objects of our group.
func arkDocuments(t *testing.T, file string) [][]byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var documents [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			t.Fatal(err)
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if meta.GroupVersionKind().Group == v1alpha1.GroupName {
			documents = append(documents, document)
		}
	}
}

func checkManifest(t *testing.T, codecs serializer.CodecFactory, file string, document []byte) {
	obj, gvk, err := codecs.UniversalDeserializer().Decode(document, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := runtime.Encode(codecs.LegacyCodec(gvk.GroupVersion()), obj)
	if err != nil {
		t.Fatal(err)
	}
	var written, returned any
	if err := errors.Join(yaml.Unmarshal(document, &written), yaml.Unmarshal(encoded, &returned)); err != nil {
		t.Fatal(err)
	}
	checkContains(t, "", returned, written)

	meta := obj.(metav1.Object)
	if meta.GetNamespace() == "" {
		meta.SetNamespace("default")
	}
	want := ""
	for refused, path := range refusedManifests {
		if strings.HasSuffix(file+" "+meta.GetName(), refused) {
			want = path
		}
	}
	got := ""
	if errs := admit(t, obj); len(errs) > 0 {
		got = errs[0].Field
		if want == "" {
			t.Errorf("refused: %v", errs.ToAggregate())
		}
	}
	if got != want {
		t.Errorf("refused for %q, want %q", got, want)
	}
}

// admit does to obj what an API server does before it stores it.
func admit(t *testing.T, obj runtime.Object) field.ErrorList {
	t.Helper()
	switch o := obj.(type) {
	case *v1alpha1.Agent:
		v1alpha1.MigrateAgent(o)
		v1alpha1.SetAgentDefaults(o)
		return v1alpha1.ValidateAgent(o)
	case *v1alpha1.MCPServer:
		v1alpha1.SetMCPServerDefaults(o)
		return v1alpha1.ValidateMCPServer(o)
	case *v1alpha1.Model:
		v1alpha1.SetModelDefaults(o)
		v1alpha1.MigrateModel(o)
		return v1alpha1.ValidateModel(o)
	case *v1alpha1.Query:
		v1alpha1.SetQueryDefaults(o)
		v1alpha1.MigrateQuery(o)
		return v1alpha1.ValidateQuery(o)
	case *v1alpha1.Team:
		v1alpha1.MigrateTeam(o)
		return v1alpha1.ValidateTeam(o)
	case *v1alpha1.Tool:
		v1alpha1.SetToolDefaults(o)
		return v1alpha1.ValidateTool(o)
	case *v1prealpha1.A2AServer:
		v1prealpha1.SetA2AServerDefaults(o)
		return v1prealpha1.ValidateA2AServer(o)
	}
	t.Fatalf("no manifest had a %T so far: say how it is admitted", obj)
	return nil
}

// checkContains checks that got has every value that want has, at the same place.
func checkContains(t *testing.T, path string, got, want any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, isObject := got.(map[string]any)
		if !isObject {
			t.Errorf("%s = %v, want %v", path, got, want)
			return
		}
		for name, value := range want {
			checkContains(t, path+"."+name, object[name], value)
		}
	case []any:
		list, isList := got.([]any)
		if !isList || len(list) != len(want) {
			t.Errorf("%s = %v, want %v", path, got, want)
			return
		}
		for i, value := range want {
			checkContains(t, fmt.Sprintf("%s[%d]", path, i), list[i], value)
		}
	default:
		if got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
}

// The decoder that the manifests pass does refuse what it does not know.
func TestUnknownFieldIsRefused(t *testing.T) {
	t.Parallel()
	codecs := serializer.NewCodecFactory(newScheme(t), serializer.EnableStrict)
	document := []byte("apiVersion: ark.mckinsey.com/v1alpha1\nkind: Query\nspec:\n  input: hi\n  targets: []\n")
	_, _, err := codecs.UniversalDeserializer().Decode(document, nil, nil)
	if !runtime.IsStrictDecodingError(err) || !strings.Contains(err.Error(), `unknown field "spec.targets"`) {
		t.Errorf("error = %v", err)
	}
}
