package server

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"mckinsey.com/ark/api/install"
	"mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/api/v1prealpha1"
	"mckinsey.com/ark/server/strategy"
)

var (
	scheme = newScheme()
	codecs = serializer.NewCodecFactory(scheme)
	// storageCodec writes each object as JSON in the version that it is served in.
	storageCodec = codecs.LegacyCodec(v1alpha1.GroupVersion, v1prealpha1.GroupVersion, corev1.SchemeGroupVersion)
)

// textual offers no protobuf, which Ark's kinds do not have: clients that would
// rather have it, such as the cluster's controllers, are answered in JSON, as they
// are for custom resources.
type textual struct{ runtime.NegotiatedSerializer }

// SupportedMediaTypes are what a client may ask for, and send.
func (t textual) SupportedMediaTypes() []runtime.SerializerInfo {
	return slices.DeleteFunc(slices.Clone(t.NegotiatedSerializer.SupportedMediaTypes()), func(i runtime.SerializerInfo) bool {
		return i.MediaType == runtime.ContentTypeProtobuf
	})
}

// newScheme knows every kind that this package can serve. It is made of constants,
// so a failure is a mistake in the program.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(install.AddToScheme(s))
	utilruntime.Must(install.AddInternalToScheme(s))
	utilruntime.Must(addCoreToScheme(s))
	unversioned := schema.GroupVersion{Version: "v1"}
	s.AddUnversionedTypes(unversioned, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return s
}

// addCoreToScheme registers the few kinds of the core group, as what they are and
// as their own internal version: there is nothing to convert.
func addCoreToScheme(s *runtime.Scheme) error {
	types := []runtime.Object{
		&corev1.ConfigMap{}, &corev1.ConfigMapList{},
		&corev1.Event{}, &corev1.EventList{},
		&corev1.Namespace{}, &corev1.NamespaceList{},
		&corev1.Secret{}, &corev1.SecretList{},
	}
	s.AddKnownTypes(corev1.SchemeGroupVersion, types...)
	s.AddKnownTypes(schema.GroupVersion{Group: corev1.GroupName, Version: runtime.APIVersionInternal}, types...)
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	s.AddTypeDefaultingFunc(&corev1.Secret{}, func(o any) { setSecretDefaults(o.(*corev1.Secret)) })
	for kind, selectable := range map[string]fields.Set{
		"Event":     strategy.EventFields(&corev1.Event{}),
		"Namespace": {"status.phase": ""},
		"Secret":    {"type": ""},
	} {
		err := s.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind(kind), v1alpha1.SelectOnly(selectable))
		if err != nil {
			return err
		}
	}
	return s.SetVersionPriority(corev1.SchemeGroupVersion)
}

func setSecretDefaults(s *corev1.Secret) {
	if s.Type == "" {
		s.Type = corev1.SecretTypeOpaque
	}
}
