package main

import (
	"strings"
	"testing"
)

// TestCertificateDir: the folder is the default of the modules' own flags, which count
// where they are said.
func TestCertificateDir(t *testing.T) {
	all := []string{"tls-cert-file", "tls-private-key-file", "webhook-cert-dir", "metrics-cert-dir"}
	for name, c := range map[string]struct {
		flags []string
		want  string // the values of all
		err   string
	}{
		"nothing is said": {want: "   "},
		"a folder":        {flags: []string{"--certificate-dir=/c"}, want: "/c/tls.crt /c/tls.key /c /c"},
		"own flags": {
			flags: []string{"--certificate-dir=/c", "--tls-cert-file=/a", "--tls-private-key-file=/b", "--metrics-cert-dir=/m"},
			want:  "/a /b /c /m",
		},
		"a Secret without a folder": {flags: []string{"--certificate-secret=s", "--certificate-hosts=h"}, err: "need a --certificate-dir"},
		"a Secret without hosts":    {flags: []string{"--certificate-secret=s", "--certificate-dir=/c"}, err: "needs --certificate-hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newCoreCommand("core", backendEtcd, "", "")
			if err := cmd.ParseFlags(c.flags); err != nil {
				t.Fatal(err)
			}
			o := newCertificateOptions()
			for flag, field := range map[string]*string{"certificate-dir": &o.Dir, "certificate-secret": &o.Secret} {
				*field = cmd.Flag(flag).Value.String()
			}
			if cmd.Flags().Changed("certificate-hosts") {
				o.Hosts = []string{"h"}
			}
			err := o.complete(cmd.Flags())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("it says %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, flag := range all {
				got = append(got, cmd.Flag(flag).Value.String())
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("the files are %q, want %q", text, c.want)
			}
		})
	}
}

func TestAPIServiceFlag(t *testing.T) {
	for text, c := range map[string]struct {
		name string
		port int64
		ok   bool
	}{
		"ark-server": {"ark-server", 443, true}, "ark-server:6443": {"ark-server", 6443, true},
		"ark-server:": {}, "ark-server:0": {}, "ark-server:x": {}, ":443": {}, "ark-server:70000": {},
	} {
		o := certificateOptions{APIService: text}
		s, err := o.service("ark-system")
		if (err == nil) != c.ok || c.ok && (s.Name != c.name || s.Port != c.port) {
			t.Errorf("%s is %+v, %v", text, s, err)
		}
	}
}
