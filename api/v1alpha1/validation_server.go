package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateMCPServer checks an MCPServer as a user writes it.
func ValidateMCPServer(s *MCPServer) field.ErrorList {
	if s.DeletionTimestamp != nil {
		return nil
	}
	spec := &s.Spec
	errs := ValidateValueSource(spec.Address, specPath.Child("address"))
	errs = append(errs, ValidateHeaders(spec.Headers, specPath.Child("headers"))...)
	errs = append(errs, ValidateTimeSpan(spec.Timeout, specPath.Child("timeout"))...)
	errs = append(errs, ValidateTimeSpan(spec.PollInterval, specPath.Child("pollInterval"))...)
	if a := spec.Authorization; a != nil && a.ClientCredentials != nil {
		errs = append(errs, validateRequired(a.ClientCredentials.ClientID, specPath.Child("authorization", "clientCredentials", "clientID"))...)
	}
	return errs
}

// ValidateMemory checks a Memory as a user writes it.
func ValidateMemory(m *Memory) field.ErrorList {
	if m.DeletionTimestamp != nil {
		return nil
	}
	errs := ValidateValueSource(m.Spec.Address, specPath.Child("address"))
	return append(errs, ValidateHeaders(m.Spec.Headers, specPath.Child("headers"))...)
}

// ValidateArkConfig checks an ArkConfig as a user writes it.
func ValidateArkConfig(c *ArkConfig) field.ErrorList {
	if c.DeletionTimestamp != nil {
		return nil
	}
	return validateRetention(c.Spec.QueryTTL, specPath.Child("queryTTL"))
}
