package strategy

import (
	"bytes"
	"encoding/json"
)

// canonical gives JSON that means the same the same bytes: keys sorted, no
// white space, numbers as they were written. Otherwise an object that is applied
// again, with its keys in another order, would be a new generation of it. What is
// not JSON is left for validation to refuse.
func canonical(raw []byte) []byte {
	if len(raw) == 0 {
		return raw
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return raw
	}
	out, err := json.Marshal(value)
	if err != nil {
		return raw
	}
	return out
}
