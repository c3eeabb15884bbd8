package strategy

import (
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/server/table"
)

func secrets() Kind {
	type T = *corev1.Secret
	return &kind[T]{
		groupVersion:   corev1.SchemeGroupVersion,
		resource:       "secrets",
		singular:       "secret",
		builtIn:        true,
		newObject:      func() T { return &corev1.Secret{} },
		newList:        func() runtime.Object { return &corev1.SecretList{} },
		prepare:        prepareSecret,
		validate:       validateSecret,
		validateUpdate: validateSecretUpdate,
		fields:         func(o T) fields.Set { return fields.Set{"type": string(o.Type)} },
		columns: []table.Column[T]{
			table.Name[T](),
			table.Text("Type", "What the data is", func(o T) string { return string(o.Type) }),
			table.Integer("Data", "Number of keys", func(o T) int64 { return int64(len(o.Data)) }),
			table.Age[T](),
		},
	}
}

// prepareSecret moves the texts of stringData, which is write-only, into data.
func prepareSecret(s, _ *corev1.Secret) {
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}

// requiredKeys of the types of Secrets that promise some.
var requiredKeys = map[corev1.SecretType][]string{
	corev1.SecretTypeSSHAuth:          {corev1.SSHAuthPrivateKey},
	corev1.SecretTypeTLS:              {corev1.TLSCertKey, corev1.TLSPrivateKeyKey},
	corev1.SecretTypeDockerConfigJson: {corev1.DockerConfigJsonKey},
	corev1.SecretTypeDockercfg:        {corev1.DockerConfigKey},
}

func validateSecret(s *corev1.Secret) field.ErrorList {
	path := field.NewPath("data")
	errs := apivalidation.ValidateObjectMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	size := 0
	for key, value := range s.Data {
		size += len(value)
		errs = append(errs, validateKey(key, path)...)
	}
	for _, key := range requiredKeys[s.Type] {
		if _, ok := s.Data[key]; !ok {
			errs = append(errs, field.Required(path.Key(key), "a Secret of type "+string(s.Type)+" has it"))
		}
	}
	return append(errs, validateSize(size, path)...)
}

func validateSecretUpdate(s, old *corev1.Secret) field.ErrorList {
	errs := apivalidation.ValidateImmutableField(s.Type, old.Type, field.NewPath("type"))
	return append(errs, validateImmutable(old.Immutable, s.Immutable, apiequality.Semantic.DeepEqual(s.Data, old.Data))...)
}
