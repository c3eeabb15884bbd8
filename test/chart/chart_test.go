package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mckinsey.com/ark/test/kubectl"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What helm makes of each set of values stands in a golden file beside it. Of
// CustomResourceDefinitions only the names: they have files of their own.
func TestGolden(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		var short []string
		for _, document := range render(t, set) {
			if o := parse(t, document); o.GetKind() == "CustomResourceDefinition" {
				source, _, _ := strings.Cut(document, "\n")
				document = source + "\n# CustomResourceDefinition " + o.GetName()
			}
			short = append(short, strings.TrimSpace(document))
		}
		rendered := strings.Join(short, "\n---\n") + "\n"
		file := filepath.Join(chart, "testdata", set+".golden.yaml")
		if *update {
			if err := os.WriteFile(file, []byte(rendered), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if line, got, want := firstDifference(rendered, string(golden)); line > 0 {
			t.Errorf("%s differs from line %d on (make chart writes it anew):\n got: %s\nwant: %s", file, line, got, want)
		}
	})
}

// firstDifference returns the line, counted from 1, at which two texts part; 0 if
// they are equal.
func firstDifference(a, b string) (line int, inA, inB string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		inA, inB = "(the end)", "(the end)"
		if i < len(as) {
			inA = as[i]
		}
		if i < len(bs) {
			inB = bs[i]
		}
		if inA != inB {
			return i + 1, inA, inB
		}
	}
	return 0, "", ""
}

func TestLint(t *testing.T) {
	eachSet(t, func(t *testing.T, set string) {
		if _, err := helm(t, "lint", "--strict", chart, "-n", namespace, "-f", valuesFile(set)); err != nil {
			t.Error(err)
		}
	})
}

// Values that make no sense are refused before anything is changed, and the
// message says which.
func TestValuesRefused(t *testing.T) {
	const postgresql = "storage.backend=postgresql,storage.postgresql.host=postgresql"
	for _, test := range []struct {
		name, set string
		wants     []string
	}{
		{"wrong backend", "storage.backend=mysql", []string{"/storage/backend", "'etcd', 'postgresql'"}},
		{"postgresql without a host", "storage.backend=postgresql", []string{"/storage/postgresql/host"}},
		{"no host at all", "storage.backend=postgresql,storage.postgresql.host=null", []string{"/storage/postgresql", "host"}},
		{"port of the database too large", postgresql + ",storage.postgresql.port=65536", []string{"/storage/postgresql/port"}},
		{"port of the database is a name", postgresql + ",storage.postgresql.port=pg", []string{"/storage/postgresql/port"}},
		{"port of the server is 0", "storage.apiserver.port=0", []string{"/storage/apiserver/port"}},
		{"port of the metrics is negative", "metrics.port=-1", []string{"/metrics/port"}},
		{"unknown TLS mode", postgresql + ",storage.postgresql.sslMode=on", []string{"/storage/postgresql/sslMode", "verify-full"}},
		{"name of a Secret in capitals", postgresql + ",storage.postgresql.passwordSecretName=My_Secret", []string{"/storage/postgresql/passwordSecretName"}},
		{"no key in a Secret", postgresql + ",storage.postgresql.passwordSecretKey=", []string{"/storage/postgresql/passwordSecretKey"}},
		{"autoscaling without workers apart", postgresql + ",workers.autoscaling.enabled=true", []string{"/workers/apart"}},
		{"no Pod at least", postgresql + ",workers.autoscaling.minReplicas=0", []string{"/workers/autoscaling/minReplicas"}},
		{"a number of Pods in words", "core.replicas=two", []string{"/core/replicas"}},
		{"fewer than no Pods", "controllers.replicas=-1", []string{"/controllers/replicas"}},
		{"nothing at once", "workers.concurrency=0", []string{"/workers/concurrency"}},
		{"webhooks wait too long", "webhook.timeoutSeconds=90", []string{"/webhook/timeoutSeconds", "maximum"}},
		{"webhooks do not wait", "webhook.timeoutSeconds=0", []string{"/webhook/timeoutSeconds", "minimum"}},
		{"unknown failure policy", "webhook.failurePolicy=Warn", []string{"/webhook/failurePolicy", "Ignore"}},
		{"duration without a unit", "check.timeout=240", []string{"/check/timeout"}},
		{"duration in days", "certificates.lifetime=90d", []string{"/certificates/lifetime"}},
		{"duration with a sign", "workers.leaseDuration=-15s", []string{"/workers/leaseDuration"}},
		{"duration with blanks", "storage.postgresql.migration.timeout=4 m", []string{"/storage/postgresql/migration/timeout"}},
		{"empty duration", "metrics.serviceMonitor.interval=", []string{"/metrics/serviceMonitor/interval"}},
		{"served in an unknown way", "server.serve={agents.ark.mckinsey.com=slow}", []string{"/server/serve/0"}},
		{"a host name for a range", "egress.allowPrivateIPs={intranet}", []string{"/egress/allowPrivateIPs/0"}},
		{"unknown pull policy", "image.pullPolicy=Sometimes", []string{"/image/pullPolicy"}},
		{"a pull secret without a name", "image.pullSecrets[0].secret=registry", []string{"/image/pullSecrets/0"}},
		{"verbosity too high", "logLevel=11", []string{"/logLevel", "maximum"}},
		{"an environment variable without a name", "extraEnv[0].value=x", []string{"/extraEnv/0", "name"}},
		{"a label that is a number", "podLabels.tier=1", []string{"/podLabels/tier"}},
		{"a word for a switch", "crds.install=maybe", []string{"/crds/install"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := helm(t, "template", "ark", chart, "-n", namespace, "--set", test.set)
			if err == nil {
				t.Fatalf("%s is not refused", test.set)
			}
			kubectl.Contain(t, err.Error(), test.wants...)
		})
	}
}
