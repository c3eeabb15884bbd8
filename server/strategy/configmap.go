package strategy

import (
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mckinsey.com/ark/server/table"
)

func configMaps() Kind {
	type T = *corev1.ConfigMap
	return &kind[T]{
		groupVersion:   corev1.SchemeGroupVersion,
		resource:       "configmaps",
		singular:       "configmap",
		shortNames:     []string{"cm"},
		builtIn:        true,
		newObject:      func() T { return &corev1.ConfigMap{} },
		newList:        func() runtime.Object { return &corev1.ConfigMapList{} },
		validate:       validateConfigMap,
		validateUpdate: validateConfigMapUpdate,
		columns: []table.Column[T]{
			table.Name[T](),
			table.Integer("Data", "Number of keys", func(o T) int64 { return int64(len(o.Data) + len(o.BinaryData)) }),
			table.Age[T](),
		},
	}
}

func validateConfigMap(c *corev1.ConfigMap) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&c.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	size := 0
	for key, value := range c.Data {
		size += len(value)
		errs = append(errs, validateKey(key, field.NewPath("data"))...)
		if _, both := c.BinaryData[key]; both {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(key), key, "is in binaryData too"))
		}
	}
	for key, value := range c.BinaryData {
		size += len(value)
		errs = append(errs, validateKey(key, field.NewPath("binaryData"))...)
	}
	return append(errs, validateSize(size, field.NewPath("data"))...)
}

func validateConfigMapUpdate(c, old *corev1.ConfigMap) field.ErrorList {
	same := apiequality.Semantic.DeepEqual(c.Data, old.Data) && apiequality.Semantic.DeepEqual(c.BinaryData, old.BinaryData)
	return validateImmutable(old.Immutable, c.Immutable, same)
}

// validateKey checks a key of a ConfigMap or a Secret.
func validateKey(key string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, message := range validation.IsConfigMapKey(key) {
		errs = append(errs, field.Invalid(path.Key(key), key, message))
	}
	return errs
}

// validateSize bounds the data of a ConfigMap or a Secret, in bytes.
func validateSize(size int, path *field.Path) field.ErrorList {
	if size <= corev1.MaxSecretSize {
		return nil
	}
	return field.ErrorList{field.TooLong(path, "", corev1.MaxSecretSize)}
}

// validateImmutable refuses changes of what was declared immutable, and of that
// declaration itself.
func validateImmutable(was, is *bool, same bool) field.ErrorList {
	if was == nil || !*was {
		return nil
	}
	var errs field.ErrorList
	if is == nil || !*is {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), "cannot be unset once it is true"))
	}
	if !same {
		errs = append(errs, field.Forbidden(field.NewPath("data"), "cannot be changed while immutable is true"))
	}
	return errs
}
