package storage

import (
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestParseModes(t *testing.T) {
	t.Parallel()
	queries := schema.GroupResource{Group: "ark.mckinsey.com", Resource: "queries"}
	events := schema.GroupResource{Resource: "events"}
	tests := map[string]struct {
		values []string
		want   map[schema.GroupResource]Mode
		err    string
	}{
		"none":             {nil, map[schema.GroupResource]Mode{}, ""},
		"two":              {[]string{"queries.ark.mckinsey.com=cached", " events=direct"}, map[schema.GroupResource]Mode{queries: Cached, events: Direct}, ""},
		"twice the same":   {[]string{"events=direct", "events=direct"}, map[schema.GroupResource]Mode{events: Direct}, ""},
		"twice":            {[]string{"events=direct", "events=cached"}, nil, "both direct and cached"},
		"no mode":          {[]string{"events"}, nil, "resource=cached or resource=direct"},
		"no resource":      {[]string{"=direct"}, nil, "resource=cached or resource=direct"},
		"an unknown mode":  {[]string{"events=fast"}, nil, `mode "fast" is neither cached nor direct`},
		"a mode with case": {[]string{"events=Direct"}, nil, `mode "Direct" is neither`},
		"nothing":          {[]string{""}, nil, "resource=cached or resource=direct"},
	}
	for name, test := range tests {
		got, err := ParseModes(test.values)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one that says %q", name, err, test.err)
			}
			continue
		}
		if err != nil || !maps.Equal(got, test.want) {
			t.Errorf("%s: got %v (%v), want %v", name, got, err, test.want)
		}
	}
}
