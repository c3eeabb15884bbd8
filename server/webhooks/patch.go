package webhooks

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// patch is what the rules changed, and nothing else: the difference of the object
// before and after, both as this binary knows it, so that fields which it does not
// know stay as they were sent.
func patch(sent, before, after []byte) admission.Response {
	if bytes.Equal(before, after) {
		return admission.Allowed("")
	}
	response := admission.PatchResponseFromRaw(before, after)
	for i := range response.Patches {
		op := &response.Patches[i]
		// What Go writes even if it is empty may not be there to be replaced; adding
		// a member replaces it if it is. Elements of a list are as they were sent.
		if op.Operation == "replace" && !isElement(op.Path) {
			op.Operation = "add"
		}
	}
	if len(response.Patches) > 0 && !hasSpec(sent) {
		spec := response.Patches[0]
		spec.Operation, spec.Path, spec.Value = "add", "/spec", map[string]any{}
		response.Patches = slices.Insert(response.Patches, 0, spec)
	}
	return response
}

// isElement tells whether a path ends at an element of a list.
func isElement(path string) bool {
	_, err := strconv.Atoi(path[strings.LastIndexByte(path, '/')+1:])
	return err == nil
}

// hasSpec tells whether there is a spec that fields can be added to.
func hasSpec(sent []byte) bool {
	var object struct {
		Spec json.RawMessage `json:"spec"`
	}
	return json.Unmarshal(sent, &object) == nil && len(object.Spec) > 0 && !bytes.Equal(object.Spec, []byte("null"))
}
