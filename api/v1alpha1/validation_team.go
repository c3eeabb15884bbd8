package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateTeam checks a Team as a user writes it. Whether its members exist, and
// where they are executed, has to be asked elsewhere.
func ValidateTeam(t *Team) field.ErrorList {
	if t.DeletionTimestamp != nil {
		return nil
	}
	errs := validateMembers(t, specPath.Child("members"))
	errs = append(errs, validateEnum(t.Spec.Strategy, specPath.Child("strategy"), StrategySequential, StrategySelector)...)
	if n := t.Spec.MaxTurns; n != nil && *n < 1 {
		errs = append(errs, field.Invalid(specPath.Child("maxTurns"), *n, "must be greater than zero"))
	}
	switch t.Spec.Strategy {
	case StrategySequential:
		errs = append(errs, validateSequential(&t.Spec, specPath)...)
	case StrategySelector:
		errs = append(errs, validateSelectorStrategy(&t.Spec, specPath)...)
	}
	return append(errs, validateGraph(t, specPath.Child("graph", "edges"))...)
}

func validateMembers(t *Team, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(t.Spec.Members) == 0 {
		errs = append(errs, field.Required(path, "a team needs a member"))
	}
	for i, m := range t.Spec.Members {
		errs = append(errs, validateRequired(m.Name, path.Index(i).Child("name"))...)
		errs = append(errs, validateEnum(m.Type, path.Index(i).Child("type"), MemberAgent, MemberTeam)...)
		if m.Type == MemberTeam && m.Name == t.Name && m.Name != "" {
			errs = append(errs, field.Invalid(path.Index(i).Child("name"), m.Name, "a team may not be its own member"))
		}
	}
	return errs
}

func validateSequential(spec *TeamSpec, path *field.Path) field.ErrorList {
	switch {
	case spec.Loops && spec.MaxTurns == nil:
		return field.ErrorList{field.Required(path.Child("maxTurns"), "loops needs it")}
	case !spec.Loops && spec.MaxTurns != nil:
		return field.ErrorList{field.Forbidden(path.Child("maxTurns"), "the strategy sequential has it only with loops: true")}
	}
	return nil
}

func validateSelectorStrategy(spec *TeamSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if spec.Selector == nil {
		errs = append(errs, field.Required(path.Child("selector"), "the strategy selector needs it"))
	} else {
		errs = append(errs, validateRequired(spec.Selector.Agent, path.Child("selector", "agent"))...)
	}
	if spec.MaxTurns == nil {
		errs = append(errs, field.Required(path.Child("maxTurns"), "the strategy selector needs it"))
	}
	if spec.Loops {
		errs = append(errs, field.Forbidden(path.Child("loops"), "only the strategy sequential has it"))
	}
	return errs
}

func validateGraph(t *Team, path *field.Path) field.ErrorList {
	if t.Spec.Graph == nil {
		return nil
	}
	if len(t.Spec.Graph.Edges) == 0 {
		return field.ErrorList{field.Required(path, "a graph needs an edge")}
	}
	members := sets.New[string]()
	for _, m := range t.Spec.Members {
		members.Insert(m.Name)
	}
	var errs field.ErrorList
	for i, edge := range t.Spec.Graph.Edges {
		errs = append(errs, validateEdgeEnd(edge.From, members, path.Index(i).Child("from"))...)
		errs = append(errs, validateEdgeEnd(edge.To, members, path.Index(i).Child("to"))...)
	}
	return errs
}

func validateEdgeEnd(name string, members sets.Set[string], path *field.Path) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(path, "")}
	case !members.Has(name):
		return field.ErrorList{field.Invalid(path, name, "is not a member of the team")}
	}
	return nil
}
