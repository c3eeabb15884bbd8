package process

import "time"

// pause is that between two tries of Until.
const pause = 100 * time.Millisecond

// Until repeats f until it returns nil, or returns its error at the limit.
func Until(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}
