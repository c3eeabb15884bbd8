package execution

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// urlTemplate is a URL in which {name} stands for an argument.
type urlTemplate struct {
	pieces []urlPiece
}

// urlPiece is a literal text, or a placeholder with a name and an escaping.
type urlPiece struct {
	literal string
	name    string
	escape  func(string) string
}

var (
	placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_.-]*)\}`)
	authority   = regexp.MustCompile(`^https?://[^/?#]*`)
)

// parseURL refuses placeholders in the host: what a model writes must not decide
// whom a request, with its headers, is sent to.
func parseURL(text string) (*urlTemplate, error) {
	host := authority.FindString(text)
	if host == "" {
		return nil, fmt.Errorf("%q is not an http or https URL", text)
	}
	if placeholder.MatchString(host) {
		return nil, errors.New("the host must not contain a {placeholder}")
	}
	if u, err := url.Parse(host); err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q names no host", host)
	}
	t := &urlTemplate{}
	at := 0
	for _, match := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		escape := url.PathEscape
		if strings.Contains(text[:match[0]], "?") {
			escape = url.QueryEscape
		}
		t.pieces = append(t.pieces, urlPiece{literal: text[at:match[0]]}, urlPiece{name: text[match[2]:match[3]], escape: escape})
		at = match[1]
	}
	t.pieces = append(t.pieces, urlPiece{literal: text[at:]})
	return t, nil
}

// expand fills in the arguments. Its errors are for the model, which gave them.
func (t *urlTemplate) expand(arguments map[string]any) (string, error) {
	var out strings.Builder
	for _, piece := range t.pieces {
		if piece.name == "" {
			out.WriteString(piece.literal)
			continue
		}
		value, ok := arguments[piece.name]
		if !ok || value == nil {
			return "", fmt.Errorf("the argument %q is missing", piece.name)
		}
		text, err := argumentText(value)
		if err != nil {
			return "", fmt.Errorf("the argument %q: %w", piece.name, err)
		}
		if text == "." || text == ".." {
			// Servers and proxies would climb up the path.
			return "", fmt.Errorf("the argument %q must not be %q", piece.name, text)
		}
		out.WriteString(piece.escape(text))
	}
	return out.String(), nil
}

// argumentText returns a text as it is, and anything else as JSON.
func argumentText(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	return string(encoded), nil
}
