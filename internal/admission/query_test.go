package admission

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"mckinsey.com/ark/api/v1alpha1"
)

func TestQueryTarget(t *testing.T) {
	t.Parallel()
	away := errors.New("the database is away")
	exists := func(_ context.Context, r schema.GroupResource, namespace, name string) (bool, error) {
		if name == "unknowable" {
			return false, away
		}
		return r == v1alpha1.Resource("agents") && namespace == "ns" && name == "weather", nil
	}
	for name, c := range map[string]struct {
		target  *v1alpha1.QueryTarget
		refused string
		err     error
	}{
		"there":           {target: &v1alpha1.QueryTarget{Type: v1alpha1.TargetAgent, Name: "weather"}},
		"selector":        {},
		"no name":         {target: &v1alpha1.QueryTarget{Type: v1alpha1.TargetAgent}},
		"no such type":    {target: &v1alpha1.QueryTarget{Type: "oracle", Name: "x"}},
		"not there":       {target: &v1alpha1.QueryTarget{Type: v1alpha1.TargetAgent, Name: "x"}, refused: `spec.target.name: Not found: "x": there is no agent of that name in namespace ns`},
		"of another kind": {target: &v1alpha1.QueryTarget{Type: v1alpha1.TargetModel, Name: "weather"}, refused: `spec.target.name: Not found: "weather": there is no model of that name in namespace ns`},
		"not known":       {target: &v1alpha1.QueryTarget{Type: v1alpha1.TargetTool, Name: "unknowable"}, err: away},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs, err := QueryTarget(t.Context(), exists, "ns", &v1alpha1.Query{Spec: v1alpha1.QuerySpec{Target: c.target}})
			if !errors.Is(err, c.err) {
				t.Errorf("the error is %v, want %v", err, c.err)
			}
			if got := errs.ToAggregate(); (got == nil) != (c.refused == "") || got != nil && got.Error() != c.refused {
				t.Errorf("refused: %v, want %q", got, c.refused)
			}
		})
	}
}

func TestSetQueryTTL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own    v1alpha1.Duration
		config *v1alpha1.ArkConfig
		want   v1alpha1.Duration
	}{
		"nobody says":     {want: "720h"},
		"the query says":  {own: "1m", config: &v1alpha1.ArkConfig{Spec: v1alpha1.ArkConfigSpec{QueryTTL: "1h"}}, want: "1m"},
		"the config says": {config: &v1alpha1.ArkConfig{Spec: v1alpha1.ArkConfigSpec{QueryTTL: "1h"}}, want: "1h"},
		"an empty config": {config: &v1alpha1.ArkConfig{}, want: "720h"},
	} {
		q := &v1alpha1.Query{Spec: v1alpha1.QuerySpec{TTL: c.own}}
		SetQueryTTL(q, c.config)
		if q.Spec.TTL != c.want {
			t.Errorf("%s: the ttl is %s, want %s", name, q.Spec.TTL, c.want)
		}
	}
}
