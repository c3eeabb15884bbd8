package storage

import (
	"fmt"
	"strings"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/value"

	"mckinsey.com/ark/internal/store"
)

// key is a key as Kubernetes names it, and as the database does: without the
// prefix of the resource, which stands in a column of its own.
type key struct {
	full, relative string
	// impossible: no text of the database can be this key, so nothing stands there.
	impossible bool
}

func (s *Storage) key(name string, recursive bool) (key, error) {
	full, err := storage.PrepareKey(s.resourcePrefix, name, recursive)
	if err != nil {
		return key{}, err
	}
	k := key{full: full, relative: strings.TrimPrefix(full, s.resourcePrefix)}
	k.impossible = strings.ContainsRune(k.relative, 0) || !utf8.ValidString(k.relative)
	return k, nil
}

// unwritable is the error of a write to a key that cannot be.
func (k key) unwritable() error {
	return apierrors.NewBadRequest(fmt.Sprintf("names must be valid UTF-8 without NUL characters: %q", k.relative))
}

// child names an object by its key in the database.
func (s *Storage) child(relative string) key {
	return key{full: s.resourcePrefix + relative, relative: relative}
}

// keyRange returns the keys that a request is about, from where a list continues.
func (s *Storage) keyRange(k key, recursive bool, continueKey string) store.Range {
	if k.impossible {
		return store.Range{Resource: s.resource} // holds nothing
	}
	if !recursive {
		return store.Exactly(s.resource, k.relative)
	}
	r := store.Prefix(s.resource, k.relative)
	if continueKey != "" {
		r.From = max(r.From, firstKey(strings.TrimPrefix(continueKey, s.resourcePrefix)))
	}
	return r
}

// firstKey returns the first key that may stand in the database at or after a key
// of a continue token. Tokens name the key after the last one by appending NUL,
// which no text in the database holds.
func firstKey(token string) string {
	before, _, cut := strings.Cut(token, "\x00")
	if cut {
		return store.Following(before)
	}
	return token
}

// dataContext binds transformed bytes to the key that they are stored at.
type dataContext string

var _ value.Context = dataContext("")

// AuthenticatedData returns the key.
func (d dataContext) AuthenticatedData() []byte { return []byte(d) }
