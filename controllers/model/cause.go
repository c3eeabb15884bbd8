package model

import (
	"regexp"
	"strings"
)

// passing is what differs between two failures of one cause: ports, addresses
// that a name resolves to, waits, ids of requests. The status of an answer is no
// such thing.
var passing = regexp.MustCompile(`HTTP \d{3}\b|[\w-]*\d[\w-]*|\b[0-9a-fA-F]{8,}\b`)

// sameCause tells whether two messages of a probe say the same. A probe repeats a
// failure each minute, for every Model: one that is written anew for another port
// wakes all who watch, and says nothing.
func sameCause(a, b string) bool {
	return a == b || essence(a) == essence(b)
}

func essence(message string) string {
	return passing.ReplaceAllStringFunc(message, func(found string) string {
		if strings.HasPrefix(found, "HTTP ") {
			return found
		}
		return "#"
	})
}
