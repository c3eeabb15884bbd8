package v1alpha1

import (
	"maps"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The functions in this and the other validation files, one a kind, check what
// needs nothing but the object itself and is not in its schema: what holds between
// fields, and texts that are a language of their own. The schema has been asked
// before, by the cluster or by the server, and has passed the metadata too. An
// object that is being deleted is not checked: nothing may keep its finalizers from
// being removed.

var specPath = field.NewPath("spec")

// ValidateValueSource checks that a text stands there or can be looked up.
func ValidateValueSource(v ValueSource, path *field.Path) field.ErrorList {
	switch {
	case v.ValueFrom != nil:
		return validateValueFrom(v.ValueFrom, path.Child("valueFrom"))
	case v.Value == "":
		return field.ErrorList{field.Required(path, "value or valueFrom is needed")}
	}
	return nil
}

// validateOptionalValueSource is ValidateValueSource for a source that may be absent.
func validateOptionalValueSource(v *ValueSource, path *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	return ValidateValueSource(*v, path)
}

func validateValueFrom(from *ValueFromSource, path *field.Path) field.ErrorList {
	sources := 0
	var errs field.ErrorList
	if ref := from.SecretKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(ref.LocalObjectReference, ref.Key, path.Child("secretKeyRef"))...)
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(ref.LocalObjectReference, ref.Key, path.Child("configMapKeyRef"))...)
	}
	if ref := from.ServiceRef; ref != nil {
		sources++
		errs = append(errs, validateRequired(ref.Name, path.Child("serviceRef", "name"))...)
	}
	if from.QueryParameterRef != nil {
		sources++
	}
	return append(errs, validateSources(sources, path)...)
}

// validateSources checks that a valueFrom names one source and no more.
func validateSources(sources int, path *field.Path) field.ErrorList {
	switch {
	case sources == 0:
		return field.ErrorList{field.Required(path, "one source is needed")}
	case sources > 1:
		return field.ErrorList{field.Forbidden(path, "may not name more than one source")}
	}
	return nil
}

func validateKeyRef(ref corev1.LocalObjectReference, key string, path *field.Path) field.ErrorList {
	return append(validateRequired(ref.Name, path.Child("name")), validateRequired(key, path.Child("key"))...)
}

// ValidateHeaders checks the values of headers.
func ValidateHeaders(headers []Header, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, h := range headers {
		errs = append(errs, validateHeaderValue(h.Value, path.Index(i).Child("value"))...)
	}
	return errs
}

func validateHeaderValue(v HeaderValue, path *field.Path) field.ErrorList {
	if v.ValueFrom == nil {
		if v.Value == "" {
			return field.ErrorList{field.Required(path, "value or valueFrom is needed")}
		}
		return nil
	}
	return validateValueFrom(&ValueFromSource{
		SecretKeyRef:      v.ValueFrom.SecretKeyRef,
		ConfigMapKeyRef:   v.ValueFrom.ConfigMapKeyRef,
		QueryParameterRef: v.ValueFrom.QueryParameterRef,
	}, path.Child("valueFrom"))
}

// validateParameters checks that each parameter has either a value or a source.
func validateParameters(parameters []Parameter, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, p := range parameters {
		at := path.Index(i)
		if p.Value != "" && p.ValueFrom != nil {
			errs = append(errs, field.Forbidden(at.Child("valueFrom"), "may not be set together with value"))
		}
		errs = append(errs, ValidateValueSource(ValueSource{Value: p.Value, ValueFrom: p.ValueFrom}, at)...)
	}
	return errs
}

func validateOverrides(overrides []Override, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, o := range overrides {
		at := path.Index(i)
		errs = append(errs, ValidateHeaders(o.Headers, at.Child("headers"))...)
		errs = append(errs, validateSelector(o.LabelSelector, at.Child("labelSelector"))...)
	}
	return errs
}

func validateSelector(s *metav1.LabelSelector, path *field.Path) field.ErrorList {
	return metavalidation.ValidateLabelSelector(s, metavalidation.LabelSelectorValidationOptions{}, path)
}

func validateApproval(a *ToolApprovalConfig, path *field.Path) field.ErrorList {
	if a == nil {
		return nil
	}
	errs := ValidateTimeSpan(a.Timeout, path.Child("timeout"))
	for _, name := range slices.Sorted(maps.Keys(a.ArgumentMatches)) {
		expression := a.ArgumentMatches[name]
		if _, err := regexp.Compile(expression); err != nil {
			errs = append(errs, field.Invalid(path.Child("argumentMatches").Key(name), expression, err.Error()))
		}
	}
	return errs
}

// ValidateTimeSpan checks that a duration, if given, is one and is longer than zero.
func ValidateTimeSpan(d Duration, path *field.Path) field.ErrorList {
	if d == "" {
		return nil
	}
	switch v, err := d.Parse(); {
	case err != nil:
		return field.ErrorList{field.Invalid(path, string(d), `must be a duration such as "90s", "5m" or "1h30m"`)}
	case v <= 0:
		return field.ErrorList{field.Invalid(path, string(d), "must be greater than zero")}
	}
	return nil
}

// validateRetention checks that a duration, if given, is one and is not negative.
func validateRetention(d Duration, path *field.Path) field.ErrorList {
	if v, err := d.Parse(); err == nil && v == 0 {
		return nil
	}
	return ValidateTimeSpan(d, path)
}

func validateRequired(value string, path *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return nil
}

// validateEnum checks that a value is there and is one of those allowed.
func validateEnum[T ~string](value T, path *field.Path, allowed ...T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, "")}
	case !slices.Contains(allowed, value):
		return field.ErrorList{field.NotSupported(path, value, allowed)}
	}
	return nil
}
