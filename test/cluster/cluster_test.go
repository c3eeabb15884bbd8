package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideVariable says that the tests run beside a cluster.
const insideVariable = "CLUSTER_TEST_INSIDE"

var skip string

// TestMain runs the tests again, beside a cluster whose image is testdata/web.
func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) != "" {
		os.Exit(m.Run())
	}
	code, err := runInside(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runInside(m *testing.M) (int, error) {
	build := exec.Command("./binaries.sh", "cluster")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return 0, fmt.Errorf("build the cluster: %w", err)
	}
	images, err := os.MkdirTemp("", "cluster-images-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(images) }()
	if err := os.Chmod(images, 0o755); err != nil { //nolint:gosec // other users run them
		return 0, err
	}
	if err := buildImage(filepath.Join(images, "test", "web", "1")); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(filepath.Join(strings.TrimSpace(string(out)), "cluster"),
		append([]string{"run", "--images", images, "--", self}, os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), insideVariable+"="+images)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 77:
		skip = "a cluster cannot be made on this machine"
		return m.Run(), nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, err
}

func buildImage(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "rootfs"), 0o755); err != nil { //nolint:gosec // as above
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "rootfs", "web"), "./testdata/web")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the image: %w\n%s", err, out)
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"Entrypoint": ["/web"], "User": "65532:65532"}`), 0o644) //nolint:gosec // as above
}

// kubectl runs the real one, which must not fail.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := try(stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(stdin string, args ...string) (string, error) {
	cmd := exec.Command("kubectl", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// until repeats a run of kubectl until it prints a text.
func until(t *testing.T, want string, args ...string) string {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := try("", args...)
		if err == nil && strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			events, _ := try("", "get", "pods,events", "-A", "-o", "wide")
			t.Fatalf("kubectl %s: no %q in %q (%v)\n%s", strings.Join(args, " "), want, out, err, events)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func begin(t *testing.T) {
	t.Helper()
	if skip != "" {
		t.Skip(skip)
	}
	t.Parallel()
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: test/web:1
        env:
        - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: GREETING, value: "hello-$(NAME)"}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /host, port: http}}
        lifecycle: {preStop: {sleep: {seconds: 1}}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: late, mountPath: /etc/late}
        - {name: scratch, mountPath: /scratch}
      volumes:
      - {name: late, secret: {secretName: late, optional: true, defaultMode: 0440}}
      - {name: scratch, emptyDir: {}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`

// TestDeployment: Pods serve through a Service, see what they should and no more,
// and are replaced in order.
func TestDeployment(t *testing.T) {
	begin(t)
	kubectl(t, "", "create", "namespace", "web")
	kubectl(t, "", "label", "namespace", "web", "pod-security.kubernetes.io/enforce=restricted")
	kubectl(t, web, "apply", "-n", "web", "-f", "-")
	kubectl(t, "", "rollout", "status", "deployment/web", "-n", "web", "--timeout=60s")
	get := func(path string) string { return "/api/v1/namespaces/web/services/web:http/proxy" + path }
	until(t, " 65532 65532 hello-web ", "get", "--raw", get("/host"))
	if out := kubectl(t, "", "get", "--raw", get("/file/etc/resolv.conf")); !strings.Contains(out, "web.svc.cluster.local") {
		t.Errorf("resolv.conf is %q", out)
	}
	for path, want := range map[string]string{
		"/file/etc/passwd": "no such file", "/write/etc/x": "read-only file system", "/file/etc/late/key": "no such file",
	} {
		if out, err := try("", "get", "--raw", get(path)); err == nil {
			t.Errorf("%s is answered with %q", path, out)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	kubectl(t, "", "get", "--raw", get("/write/scratch/x"))
	kubectl(t, "", "create", "secret", "generic", "late", "-n", "web", "--from-literal=key=first")
	until(t, "first", "get", "--raw", get("/file/etc/late/key"))
	kubectl(t, "", "patch", "secret", "late", "-n", "web", "--type=merge", "-p", `{"stringData":{"key":"second"}}`)
	until(t, "second", "get", "--raw", get("/file/etc/late/key"))
	kubectl(t, "", "rollout", "restart", "deployment/web", "-n", "web")
	kubectl(t, "", "rollout", "status", "deployment/web", "-n", "web", "--timeout=60s")
	until(t, "web", "get", "--raw", get("/file/etc/hostname"))
}

// TestJob: a Pod that ends well is a Job's success, and reaches a Service by name.
func TestJob(t *testing.T) {
	begin(t)
	kubectl(t, "", "create", "namespace", "job")
	kubectl(t, strings.ReplaceAll(web, "replicas: 2", "replicas: 1"), "apply", "-n", "job", "-f", "-")
	kubectl(t, "", "create", "job", "get", "-n", "job", "--image=test/web:1", "--", "/web", "get", "http://web/host")
	kubectl(t, "", "wait", "job/get", "-n", "job", "--for=condition=Complete", "--timeout=60s")
	if out := kubectl(t, "", "logs", "job/get", "-n", "job", "--tail=1"); !strings.Contains(out, "hello-job") {
		t.Errorf("the job says %q", out)
	}
}

// TestFailure: what cannot run says why, and what ends is started again.
func TestFailure(t *testing.T) {
	begin(t)
	kubectl(t, "", "create", "namespace", "failure")
	kubectl(t, "", "run", "missing", "-n", "failure", "--image=test/nothing:1")
	until(t, "no image test/nothing:1", "get", "pod", "missing", "-n", "failure", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
	kubectl(t, "", "run", "fail", "-n", "failure", "--image=test/web:1", "--", "fail")
	until(t, "CrashLoopBackOff 3 Error", "get", "pod", "fail", "-n", "failure", "-o",
		"jsonpath={.status.containerStatuses[0].state.waiting.reason} {.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].lastState.terminated.reason}")
	if out := kubectl(t, "", "logs", "fail", "-n", "failure", "--previous"); out != "failing\n" {
		t.Errorf("the log is %q", out)
	}
	kubectl(t, `{apiVersion: v1, kind: Pod, metadata: {name: env}, spec: {containers: [{name: c, image: "test/web:1",
		env: [{name: A, valueFrom: {secretKeyRef: {name: later, key: a}}}]}]}}`, "apply", "-n", "failure", "-f", "-")
	until(t, `secret "later" not found`, "get", "pod", "env", "-n", "failure", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
	kubectl(t, "", "create", "secret", "generic", "later", "-n", "failure", "--from-literal=a=b")
	kubectl(t, "", "wait", "pod/env", "-n", "failure", "--for=condition=Ready", "--timeout=60s")
}

// TestEnd: a process that is killed is started again; one that is deleted ends in
// order, and nothing of it is left.
func TestEnd(t *testing.T) {
	begin(t)
	kubectl(t, "", "create", "namespace", "end")
	kubectl(t, "", "run", "web", "-n", "end", "--image=test/web:1")
	kubectl(t, "", "wait", "pod/web", "-n", "end", "--for=condition=Ready", "--timeout=60s")
	id := kubectl(t, "", "get", "pod", "web", "-n", "end", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	pid, err := strconv.Atoi(strings.TrimPrefix(id, "process://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "true 1 137", "get", "pod", "web", "-n", "end", "-o",
		"jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.exitCode}")
	uid := kubectl(t, "", "get", "pod", "web", "-n", "end", "-o", "jsonpath={.metadata.uid}")
	follow := exec.Command("kubectl", "logs", "web", "-n", "end", "-f")
	var said strings.Builder
	follow.Stdout = &said
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "delete", "pod", "web", "-n", "end")
	if err := follow.Wait(); err != nil || said.String() != "serving\ntold to stop\n" {
		t.Errorf("the log is %q (%v)", said.String(), err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := os.Stat(filepath.Join(os.Getenv("CLUSTER_DIR"), "pods", uid)); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("files of the Pod are left")
		}
		time.Sleep(50 * time.Millisecond)
	}
}
