package storage

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ParseModes reads how resources are to be served, each as resource=mode, like
// queries.ark.mckinsey.com=direct; a resource of the core group has no group.
func ParseModes(values []string) (map[schema.GroupResource]Mode, error) {
	modes := map[schema.GroupResource]Mode{}
	for _, value := range values {
		resource, mode, found := strings.Cut(strings.TrimSpace(value), "=")
		gr := schema.ParseGroupResource(resource)
		switch {
		case !found || gr.Resource == "":
			return nil, fmt.Errorf("%q is not of the form resource=%s or resource=%s", value, Cached, Direct)
		case Mode(mode) != Cached && Mode(mode) != Direct:
			return nil, fmt.Errorf("%q: mode %q is neither %s nor %s", value, mode, Cached, Direct)
		}
		if before, again := modes[gr]; again && before != Mode(mode) {
			return nil, fmt.Errorf("%s is to be both %s and %s", gr, before, mode)
		}
		modes[gr] = Mode(mode)
	}
	return modes, nil
}
