package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPrivateRanges(t *testing.T) {
	tests := []struct {
		name, variable string
		args           []string
		want, err      string
	}{
		{"none", "", nil, "[]", ""},
		{"flag", "", []string{"--allow-private-ips", "10.0.0.0/8,fd00::/8", "--allow-private-ips=192.168.1.1"}, "[10.0.0.0/8 fd00::/8 192.168.1.1/32]", ""},
		{"variable", "10.0.0.0/8, 172.16.0.0/12", nil, "[10.0.0.0/8 172.16.0.0/12]", ""},
		{"flag before variable", "10.0.0.0/8", []string{"--allow-private-ips", "192.168.0.0/16"}, "[192.168.0.0/16]", ""},
		{"wrong flag", "", []string{"--allow-private-ips", "home"}, "", `--allow-private-ips: "home" is not a range`},
		{"wrong variable", "8.8.8.8", nil, "", "ALLOWED_PRIVATE_IP_RANGES: 8.8.8.8 has no private addresses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(privateRangesVariable, tt.variable)
			o := devOptions{DataDir: t.TempDir(), Port: 1, moduleOptions: moduleOptions{
				Modules: []string{moduleServer}, Concurrency: 1, LeaseDuration: time.Second}}
			cmd := newDevCommand()
			cmd.ResetFlags()
			o.addFlags(cmd.Flags())
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			err := o.complete()
			if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if got := fmt.Sprint(o.privateRanges); err == nil && got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
