package main

import "testing"

func TestVersionFits(t *testing.T) {
	t.Parallel()
	for version, fits := range map[int32]bool{90624: false, 140011: false, 150000: true, 180004: true} {
		if err := versionFits(version); (err == nil) != fits {
			t.Errorf("%d: %v", version, err)
		}
	}
}
