package dev_test

import (
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

// TestKubectl goes through what people do with kubectl.
func TestKubectl(t *testing.T) { kubectl.Script(t, startDev(t).Client) }
