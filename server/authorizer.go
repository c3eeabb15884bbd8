package server

import (
	"context"
	"slices"

	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// newStandAloneAuthorizer lets administrators do everything, and whomever they
// impersonate as a service account too: without a cluster there is no RBAC that
// could tell service accounts apart. Nobody else may do anything.
func newStandAloneAuthorizer() authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		who := a.GetUser()
		if who == nil {
			return authorizer.DecisionDeny, "no user", nil
		}
		if slices.Contains(who.GetGroups(), user.SystemPrivilegedGroup) {
			return authorizer.DecisionAllow, "", nil
		}
		if _, _, err := serviceaccount.SplitUsername(who.GetName()); err == nil {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionDeny, "this server knows administrators and service accounts only", nil
	})
}
