package install_test

import (
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/randfill"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"mckinsey.com/ark/api/install"
)

// jsonSamples are values that may stand where an API takes any JSON, spelled as
// the encoder spells them.
var jsonSamples = []string{`"text"`, `{"a":{"b":[1,true,null]}}`, `[]`, `-1.5e3`, `false`, `"\u0000\u003c\u0026é"`}

// arkFuzzerFuncs fill in what no random bytes can be.
func arkFuzzerFuncs(serializer.CodecFactory) []any {
	return []any{
		func(j *apiextensionsv1.JSON, c randfill.Continue) {
			j.Raw = []byte(jsonSamples[c.Intn(len(jsonSamples))])
		},
		func(r *runtime.RawExtension, c randfill.Continue) {
			r.Raw = []byte(jsonSamples[c.Intn(len(jsonSamples))])
		},
	}
}

// What is decoded from the encoding of an object is the object, whatever its
// fields hold, once its defaults are there.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	const rounds = 200
	scheme := newScheme(t)
	codecs := serializer.NewCodecFactory(scheme)
	for kind, gv := range kinds {
		for _, name := range []string{kind, kind + "List"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				random := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, arkFuzzerFuncs), rand.NewSource(1), codecs)
				codec := codecs.CodecForVersions(codecs.LegacyCodec(gv), codecs.UniversalDecoder(), gv, install.InternalGroupVersion)
				for range rounds {
					obj, err := scheme.New(gv.WithKind(name))
					if err != nil {
						t.Fatal(err)
					}
					random.Fill(obj)
					scheme.Default(obj)
					checkRoundTrip(t, codec, obj)
				}
			})
		}
	}
}

// checkRoundTrip encodes obj, decodes that and compares the objects. From then on
// the encoding must not change either: a store tells by its bytes whether a write
// changes something. (The first time an empty list that no field needs is dropped.)
func checkRoundTrip(t *testing.T, codec runtime.Codec, obj runtime.Object) {
	t.Helper()
	_, once := trip(t, codec, obj)
	want := obj.DeepCopyObject()
	want.GetObjectKind().SetGroupVersionKind(once.GetObjectKind().GroupVersionKind())
	if !apiequality.Semantic.DeepEqual(want, once) {
		t.Fatalf("(-want +got):\n%s", cmp.Diff(want, once))
	}
	second, twice := trip(t, codec, once)
	third, _ := trip(t, codec, twice)
	if diff := cmp.Diff(string(second), string(third)); diff != "" {
		t.Fatalf("encodings (-second +third):\n%s", diff)
	}
}

// trip returns the encoding of obj and what is decoded from it.
func trip(t *testing.T, codec runtime.Codec, obj runtime.Object) ([]byte, runtime.Object) {
	t.Helper()
	data, err := runtime.Encode(codec, obj)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	decoded, err := runtime.Decode(codec, data)
	if err != nil {
		t.Fatalf("decode %s: %v", data, err)
	}
	return data, decoded
}

// FuzzDecode feeds any bytes to the decoder of every kind: it must not panic, and
// what it accepts must come back from its own encoding.
func FuzzDecode(f *testing.F) {
	scheme := newScheme(f)
	codecs := serializer.NewCodecFactory(scheme)
	for kind, gv := range kinds {
		f.Add([]byte(`{"apiVersion":"` + gv.String() + `","kind":"` + kind + `","metadata":{"name":"x","labels":{"a":"b"}},"spec":{}}`))
	}
	f.Add([]byte(`{"apiVersion":"ark.mckinsey.com/v1alpha1","kind":"Query","spec":{"input":{"a":1e400},"timeout":"x","target":null,"parameters":[{}]},"status":{"phase":"?"}}`))
	f.Add([]byte(`{"apiVersion":"ark.mckinsey.com/v1alpha1","kind":"Tool","spec":{"inputSchema":null,"http":{"headers":[{"value":{"valueFrom":{}}}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, gvk, err := codecs.UniversalDeserializer().Decode(data, nil, nil)
		if err != nil {
			return
		}
		if _, ours := kinds[gvk.Kind]; !ours {
			return
		}
		codec := codecs.LegacyCodec(gvk.GroupVersion())
		// The same JSON can be spelled in many ways: begin with the encoder's own.
		spelled, err := runtime.Encode(codec, obj)
		if err != nil {
			t.Fatalf("encode what was decoded from %q: %v", data, err)
		}
		obj, err = runtime.Decode(codec, spelled)
		if err != nil {
			t.Fatalf("decode %s: %v", spelled, err)
		}
		checkRoundTrip(t, codec, obj)
	})
}
