package v1alpha1

import (
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

var toolCallTimeoutPattern = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// ValidateMCPServer checks an MCPServer as a user writes it.
func ValidateMCPServer(s *MCPServer) field.ErrorList {
	errs, ok := validateMeta(s, true)
	if !ok {
		return nil
	}
	spec := &s.Spec
	errs = append(errs, ValidateValueSource(spec.Address, specPath.Child("address"))...)
	errs = append(errs, ValidateHeaders(spec.Headers, specPath.Child("headers"))...)
	errs = append(errs, validateEnum(spec.Transport, specPath.Child("transport"), TransportHTTP, TransportSSE)...)
	errs = append(errs, ValidateTimeSpan(spec.Timeout, specPath.Child("timeout"))...)
	errs = append(errs, validatePattern(string(spec.ToolCallTimeout), specPath.Child("toolCallTimeout"), toolCallTimeoutPattern)...)
	errs = append(errs, ValidateTimeSpan(spec.PollInterval, specPath.Child("pollInterval"))...)
	if spec.Authorization != nil {
		errs = append(errs, validateAuthorization(spec.Authorization, specPath.Child("authorization"))...)
	}
	return errs
}

// ValidateMCPServerStatus checks the status of an MCPServer.
func ValidateMCPServerStatus(s *MCPServer) field.ErrorList {
	var errs field.ErrorList
	if a := s.Status.Authorization; a != nil {
		errs = validateOptionalEnum(a.State, field.NewPath("status", "authorization", "state"),
			AuthorizationRequired, AuthorizationDiscoveryFailed, AuthorizationAuthorized)
	}
	return append(errs, ValidateConditions(s.Status.Conditions)...)
}

func validateAuthorization(a *MCPAuthorization, path *field.Path) field.ErrorList {
	errs := validateRequired(a.TokenSecretRef.Name, path.Child("tokenSecretRef", "name"))
	credentials := a.ClientCredentials
	if credentials == nil {
		return errs
	}
	at := path.Child("clientCredentials")
	errs = append(errs, validateRequired(credentials.ClientID, at.Child("clientID"))...)
	return append(errs, validateClientAuthentication(&credentials.ClientAuthentication, at.Child("clientAuthentication"))...)
}

func validateClientAuthentication(a *ClientAuthentication, path *field.Path) field.ErrorList {
	jwt := a.PrivateKeyJWT
	if jwt == nil {
		return field.ErrorList{field.Required(path, "exactly one way of client authentication must be set")}
	}
	at := path.Child("privateKeyJWT")
	errs := validateRequired(jwt.SecretKeyRef.Name, at.Child("secretKeyRef", "name"))
	return append(errs, validateOptionalEnum(jwt.Algorithm, at.Child("algorithm"),
		SigningES256, SigningES384, SigningES512, SigningRS256, SigningRS384, SigningRS512,
		SigningPS256, SigningPS384, SigningPS512)...)
}

// ValidateMemory checks a Memory as a user writes it.
func ValidateMemory(m *Memory) field.ErrorList {
	errs, ok := validateMeta(m, true)
	if !ok {
		return nil
	}
	errs = append(errs, ValidateValueSource(m.Spec.Address, specPath.Child("address"))...)
	return append(errs, ValidateHeaders(m.Spec.Headers, specPath.Child("headers"))...)
}

// ValidateMemoryStatus checks the status of a Memory.
func ValidateMemoryStatus(m *Memory) field.ErrorList {
	return validateOptionalEnum(m.Status.Phase, field.NewPath("status", "phase"), MemoryRunning, MemoryReady, MemoryError)
}

// ValidateArkConfig checks an ArkConfig as a user writes it.
func ValidateArkConfig(c *ArkConfig) field.ErrorList {
	errs, ok := validateMeta(c, false)
	if !ok {
		return nil
	}
	if c.Name != DefaultName {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), c.Name, "the only ArkConfig is named default"))
	}
	return append(errs, validateRetention(c.Spec.QueryTTL, specPath.Child("queryTTL"))...)
}
