package v1alpha1

import (
	"fmt"
	"time"
)

// Duration is a length of time as a user writes it, such as "90s", "5m" or
// "1h30m". The text is kept, so that what was applied is what is read back.
type Duration string

// Parse returns the length of time, or an error that quotes the text. An empty
// Duration is an error: defaults are filled in before anybody asks.
func (d Duration) Parse() (time.Duration, error) {
	v, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("parse duration %q: %w", string(d), err)
	}
	return v, nil
}

// OrDefault returns the length of time, or def if the text is empty or no duration.
func (d Duration) OrDefault(def time.Duration) time.Duration {
	if v, err := d.Parse(); err == nil {
		return v
	}
	return def
}

// DurationOf returns the text of v as Go writes it.
func DurationOf(v time.Duration) Duration { return Duration(v.String()) }
