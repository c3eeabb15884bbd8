package valuesource

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// Shorter values are not masked: they would turn up in texts by chance, and what
// is as short protects nothing.
const minSecretLength = 6

// Mask stands where a secret was.
const Mask = "[redacted]"

// Secrets are values that must not be written to logs, events, statuses or
// traces. The zero value is empty and ready; it is safe for concurrent use.
type Secrets struct {
	mu     sync.RWMutex
	values []string
}

// Add makes value a secret, with and without surrounding white space.
func (s *Secrets) Add(value string) {
	value = strings.TrimSpace(value)
	if len(value) < minSecretLength {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range forms(value) {
		if !slices.Contains(s.values, form) {
			s.values = append(s.values, form)
		}
	}
	// A secret that contains another one goes first, else its rest would stay.
	slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
}

// Parts of the names of headers whose values are secrets, wherever they come from.
var sensitive = []string{"auth", "cookie", "key", "secret", "token", "password", "credential", "signature"}

// AddHeader makes the value of a header a secret if its name says that it is.
func (s *Secrets) AddHeader(name, value string) {
	name = strings.ToLower(name)
	if !slices.ContainsFunc(sensitive, func(part string) bool { return strings.Contains(name, part) }) {
		return
	}
	s.Add(value)
	if _, credentials, ok := strings.Cut(value, " "); ok { // Bearer, Basic and the like.
		s.Add(credentials)
	}
}

// Redact returns text with every secret masked.
func (s *Secrets) Redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, value := range s.values {
		text = strings.ReplaceAll(text, value, Mask)
	}
	return text
}

// forms returns value as it may stand in a text: plain, and inside JSON with and
// without the escapes that protect HTML.
func forms(value string) []string {
	all := []string{value}
	for _, escapeHTML := range []bool{true, false} {
		var quoted strings.Builder
		encoder := json.NewEncoder(&quoted)
		encoder.SetEscapeHTML(escapeHTML)
		if err := encoder.Encode(value); err != nil {
			continue // Strings always marshal.
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(quoted.String()), `"`), `"`)
		if !slices.Contains(all, inner) {
			all = append(all, inner)
		}
	}
	return all
}
