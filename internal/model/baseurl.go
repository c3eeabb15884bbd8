package model

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/valuesource"
)

// baseURL resolves and checks the URL that requests are sent below.
func baseURL(ctx context.Context, values *valuesource.Resolver, from arkv1alpha1.ValueSource) (string, error) {
	base, err := values.Value(ctx, from)
	if err != nil {
		return "", err
	}
	base = strings.TrimSpace(base)
	u, err := url.Parse(base)
	usable := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	if usable {
		hideParts(values.Secrets(), u, isSecret(from))
		return base, nil
	}
	switch {
	case isSecret(from):
		// What the parser complains about may be any part of the secret.
		return "", errors.New("the text in the Secret is not an http or https URL")
	case err != nil:
		return "", fmt.Errorf("not a URL: %w", err)
	}
	return "", fmt.Errorf("%q is not an http or https URL", base)
}

// address returns the base URL of a Model as it may be shown: without user, query
// and secrets. It is empty if all of it is a secret, or if it cannot be resolved:
// Open says why.
func address(ctx context.Context, values *valuesource.Resolver, m *arkv1alpha1.Model) string {
	config := m.Spec.Config.OpenAI
	if m.Spec.Provider != arkv1alpha1.ProviderOpenAI || config == nil || isSecret(config.BaseURL) {
		return ""
	}
	base, err := baseURL(ctx, values, config.BaseURL)
	if err != nil {
		return ""
	}
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	return values.Secrets().Redact(u.String())
}

func isSecret(from arkv1alpha1.ValueSource) bool {
	return from.Value == "" && from.ValueFrom != nil && from.ValueFrom.SecretKeyRef != nil
}

// hideParts makes secrets of the parts of a URL that errors of the network name
// by themselves: the password always, all of it if the URL is a secret.
func hideParts(secrets *valuesource.Secrets, u *url.URL, all bool) {
	if u.User != nil {
		password, _ := u.User.Password()
		secrets.Add(password)
	}
	if all {
		for _, part := range []string{u.Redacted(), u.Host, u.Hostname(), u.EscapedPath(), u.RawQuery, u.User.Username()} {
			secrets.Add(part)
		}
	}
}
