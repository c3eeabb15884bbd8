package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MCPAuthorizationState is what is known about signing in to an MCP server.
// +enum
// +kubebuilder:validation:Enum=Required;DiscoveryFailed;Authorized
type MCPAuthorizationState string

// The states of signing in to an MCP server.
const (
	// AuthorizationRequired: the server asks for a token that is not there yet.
	AuthorizationRequired MCPAuthorizationState = "Required"
	// AuthorizationDiscoveryFailed: the server asks for a token, but does not say
	// where one is issued.
	AuthorizationDiscoveryFailed MCPAuthorizationState = "DiscoveryFailed"
	// AuthorizationAuthorized: the token is accepted.
	AuthorizationAuthorized MCPAuthorizationState = "Authorized"
)

// SigningAlgorithm signs a JSON web token.
// +enum
// +kubebuilder:validation:Enum=ES256;ES384;ES512;RS256;RS384;RS512;PS256;PS384;PS512
type SigningAlgorithm string

// The algorithms that sign a client assertion.
const (
	SigningES256 SigningAlgorithm = "ES256"
	SigningES384 SigningAlgorithm = "ES384"
	SigningES512 SigningAlgorithm = "ES512"
	SigningRS256 SigningAlgorithm = "RS256"
	SigningRS384 SigningAlgorithm = "RS384"
	SigningRS512 SigningAlgorithm = "RS512"
	SigningPS256 SigningAlgorithm = "PS256"
	SigningPS384 SigningAlgorithm = "PS384"
	SigningPS512 SigningAlgorithm = "PS512"
)

// TokenSecretRef names the Secret that holds an access token, and its keys.
type TokenSecretRef struct {
	// Name of the Secret, in the MCPServer's namespace.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// AccessTokenKey is the key of the access token.
	// +default="access_token"
	// +optional
	AccessTokenKey string `json:"accessTokenKey,omitempty"`
	// RefreshTokenKey is the key of the refresh token.
	// +optional
	RefreshTokenKey string `json:"refreshTokenKey,omitempty"`
	// ExpiresAtKey is the key of the time, in RFC 3339, when the access token expires.
	// +optional
	ExpiresAtKey string `json:"expiresAtKey,omitempty"`
	// ClientIDKey is the key of the client's id.
	// +optional
	ClientIDKey string `json:"clientIDKey,omitempty"`
	// ClientSecretKey is the key of the client's secret.
	// +optional
	ClientSecretKey string `json:"clientSecretKey,omitempty"`
}

// PrivateKeySecretRef names the Secret that holds a private key, and its key.
type PrivateKeySecretRef struct {
	// Name of the Secret, in the MCPServer's namespace.
	// +kubebuilder:validation:MinLength=1
	// +k8s:validation:minLength=1
	Name string `json:"name"`
	// Key of the private key, in PEM.
	// +default="private.pem"
	// +optional
	Key string `json:"key,omitempty"`
}

// PrivateKeyJWT proves who the client is by a token that it signs itself.
type PrivateKeyJWT struct {
	// SecretKeyRef names the private key.
	SecretKeyRef PrivateKeySecretRef `json:"secretKeyRef"`
	// Algorithm that signs.
	// +default="ES256"
	// +optional
	Algorithm SigningAlgorithm `json:"algorithm,omitempty"`
	// KeyID that the token's header carries.
	// +optional
	KeyID string `json:"keyID,omitempty"`
}

// ClientAuthentication is how the client proves who it is: exactly one way is set.
// +kubebuilder:validation:XValidation:rule="[has(self.privateKeyJWT)].exists_one(x, x)",message="exactly one way of client authentication must be set"
type ClientAuthentication struct {
	// PrivateKeyJWT proves it by a token that the client signs itself.
	// +optional
	PrivateKeyJWT *PrivateKeyJWT `json:"privateKeyJWT,omitempty"`
}

// ClientCredentials obtains access tokens by the client credentials grant of OAuth.
type ClientCredentials struct {
	// ClientID that the authorization server knows the client by.
	ClientID string `json:"clientID"`
	// Scopes that are asked for.
	// +listType=atomic
	// +optional
	Scopes []string `json:"scopes,omitempty"`
	// Resource that the token is for; the one that the server names if empty.
	// +optional
	Resource string `json:"resource,omitempty"`
	// TokenEndpoint that issues tokens; the one that was discovered if empty.
	// +optional
	TokenEndpoint string `json:"tokenEndpoint,omitempty"`
	// ClientAuthentication is how the client proves who it is.
	ClientAuthentication ClientAuthentication `json:"clientAuthentication"`
}

// MCPAuthorization is how to sign in to an MCP server.
type MCPAuthorization struct {
	// TokenSecretRef names the Secret that the access token is read from, and
	// written to when it is renewed.
	TokenSecretRef TokenSecretRef `json:"tokenSecretRef"`
	// ClientCredentials obtains the access token without a person.
	// +optional
	ClientCredentials *ClientCredentials `json:"clientCredentials,omitempty"`
}

// MCPAuthorizationStatus is what an MCP server and its authorization server said
// about signing in.
type MCPAuthorizationStatus struct {
	// State of signing in.
	// +optional
	State MCPAuthorizationState `json:"state,omitempty"`
	// Resource that tokens are for.
	// +optional
	Resource string `json:"resource,omitempty"`
	// ResourceMetadataURL that described the resource.
	// +optional
	ResourceMetadataURL string `json:"resourceMetadataURL,omitempty"`
	// ResourceName for people.
	// +optional
	ResourceName string `json:"resourceName,omitempty"`
	// AuthorizationServers that issue tokens for the resource.
	// +listType=atomic
	// +optional
	AuthorizationServers []string `json:"authorizationServers,omitempty"`
	// ScopesSupported by the resource.
	// +listType=atomic
	// +optional
	ScopesSupported []string `json:"scopesSupported,omitempty"`
	// GrantTypesSupported by the authorization server.
	// +listType=atomic
	// +optional
	GrantTypesSupported []string `json:"grantTypesSupported,omitempty"`
	// TokenEndpointAuthMethodsSupported: how clients may prove who they are.
	// +listType=atomic
	// +optional
	TokenEndpointAuthMethodsSupported []string `json:"tokenEndpointAuthMethodsSupported,omitempty"`
	// TokenEndpointAuthSigningAlgValuesSupported: what may sign such a proof.
	// +listType=atomic
	// +optional
	TokenEndpointAuthSigningAlgValuesSupported []string `json:"tokenEndpointAuthSigningAlgValuesSupported,omitempty"`
	// RegistrationEndpoint where clients register themselves.
	// +optional
	RegistrationEndpoint string `json:"registrationEndpoint,omitempty"`
	// AuthorizationEndpoint where people agree.
	// +optional
	AuthorizationEndpoint string `json:"authorizationEndpoint,omitempty"`
	// TokenEndpoint that issues tokens.
	// +optional
	TokenEndpoint string `json:"tokenEndpoint,omitempty"`
	// LastDiscovered is when all this was last read.
	// +optional
	LastDiscovered *metav1.Time `json:"lastDiscovered,omitempty"`
	// ExpiresAt is when the access token expires.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
}
