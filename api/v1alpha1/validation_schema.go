package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// schemaTypes are the types that a JSON schema may name.
var schemaTypes = []string{"array", "boolean", "integer", "null", "number", "object", "string"}

// validateJSONObject checks that a value, if there, is a JSON object.
func validateJSONObject(raw *runtime.RawExtension, path *field.Path) field.ErrorList {
	if raw == nil {
		return nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw.Raw, &object); err != nil {
		return field.ErrorList{field.TypeInvalid(path, string(raw.Raw), "must be an object")}
	}
	return nil
}

// validateJSONSchema checks that a value, if there, is a JSON schema: an object
// whose types are types, and whose properties are schemas again.
func validateJSONSchema(raw *runtime.RawExtension, path *field.Path) field.ErrorList {
	if raw == nil {
		return nil
	}
	var schema any
	if err := json.Unmarshal(raw.Raw, &schema); err != nil {
		return field.ErrorList{field.Invalid(path, string(raw.Raw), err.Error())}
	}
	if _, isObject := schema.(map[string]any); !isObject {
		return field.ErrorList{field.TypeInvalid(path, schema, "must be an object")}
	}
	return validateSubschema(schema, path)
}

// validateSubschema checks a schema inside a schema, which may also be true or false.
func validateSubschema(value any, path *field.Path) field.ErrorList {
	if _, isBool := value.(bool); isBool {
		return nil
	}
	schema, isObject := value.(map[string]any)
	if !isObject {
		return field.ErrorList{field.TypeInvalid(path, value, "must be a JSON schema")}
	}
	var errs field.ErrorList
	if types, present := schema["type"]; present {
		errs = append(errs, validateSchemaType(types, path.Child("type"))...)
	}
	if required, present := schema["required"]; present {
		errs = append(errs, validateNames(required, path.Child("required"))...)
	}
	for _, keyword := range []string{"properties", "patternProperties", "$defs", "definitions"} {
		errs = append(errs, validateSubschemas(schema[keyword], path.Child(keyword))...)
	}
	for _, keyword := range []string{"items", "additionalProperties", "not", "anyOf", "oneOf", "allOf"} {
		errs = append(errs, validateSubschemaOrList(schema[keyword], path.Child(keyword))...)
	}
	return errs
}

// validateSubschemas checks an object whose values are schemas.
func validateSubschemas(value any, path *field.Path) field.ErrorList {
	if value == nil {
		return nil
	}
	schemas, isObject := value.(map[string]any)
	if !isObject {
		return field.ErrorList{field.TypeInvalid(path, value, "must be an object")}
	}
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		errs = append(errs, validateSubschema(schemas[name], path.Key(name))...)
	}
	return errs
}

// validateSubschemaOrList checks a schema or a list of schemas.
func validateSubschemaOrList(value any, path *field.Path) field.ErrorList {
	if value == nil {
		return nil
	}
	list, isList := value.([]any)
	if !isList {
		return validateSubschema(value, path)
	}
	var errs field.ErrorList
	for i, schema := range list {
		errs = append(errs, validateSubschema(schema, path.Index(i))...)
	}
	return errs
}

// validateSchemaType checks the name of a type, or a list of such names.
func validateSchemaType(value any, path *field.Path) field.ErrorList {
	if list, isList := value.([]any); isList {
		var errs field.ErrorList
		for i, item := range list {
			errs = append(errs, validateSchemaType(item, path.Index(i))...)
		}
		return errs
	}
	if name, isText := value.(string); !isText || !slices.Contains(schemaTypes, name) {
		return field.ErrorList{field.NotSupported(path, fmt.Sprint(value), schemaTypes)}
	}
	return nil
}

// validateNames checks that a value is a list of texts.
func validateNames(value any, path *field.Path) field.ErrorList {
	list, isList := value.([]any)
	if !isList {
		return field.ErrorList{field.TypeInvalid(path, value, "must be a list of names")}
	}
	var errs field.ErrorList
	for i, item := range list {
		if _, isText := item.(string); !isText {
			errs = append(errs, field.TypeInvalid(path.Index(i), item, "must be a name"))
		}
	}
	return errs
}
