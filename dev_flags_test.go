package main

import (
	"strings"
	"testing"
	"time"
)

// TestFlagsAreChecked is before anything is started.
func TestFlagsAreChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(o *devOptions)
		says   string
	}{
		"all is well":          {func(*devOptions) {}, ""},
		"unknown module":       {func(o *devOptions) { o.Modules = []string{moduleServer, "clients"} }, "--modules"},
		"no server":            {func(o *devOptions) { o.Modules = []string{moduleWorkers} }, "--modules"},
		"no such port":         {func(o *devOptions) { o.Port = 70000 }, "--port"},
		"nothing at once":      {func(o *devOptions) { o.Concurrency = 0 }, "--concurrency"},
		"a lease of no time":   {func(o *devOptions) { o.LeaseDuration = 0 }, "--lease-duration"},
		"a lease into history": {func(o *devOptions) { o.LeaseDuration = -time.Second }, "--lease-duration"},
		"a lease that is over": {func(o *devOptions) { o.LeaseDuration = time.Millisecond }, "--lease-duration"},
		"exit without a demo":  {func(o *devOptions) { o.Exit = true }, "--exit"},
	} {
		o := devOptions{DataDir: t.TempDir(), Port: 7443, moduleOptions: moduleOptions{
			Modules: []string{moduleServer}, Concurrency: 1, LeaseDuration: time.Second}}
		test.change(&o)
		err := o.complete()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
}
