package certificates

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

const lifetime = 90 * 24 * time.Hour

// replica is a Keeper whose steps a test takes.
type replica struct {
	*Keeper
	dir   string
	since time.Time // when everybody had all bundles; zero: not yet
}

func newReplica(t *testing.T, client *fake.Clientset, clock *clocktesting.FakeClock) *replica {
	t.Helper()
	r := &replica{dir: filepath.Join(t.TempDir(), "made")}
	k, err := New(Options{
		Client: client, Namespace: "ark-system", Secret: "ark-certificates", Dir: r.dir, Hosts: want.hosts, Lifetime: lifetime, Clock: clock,
		Trusted: func([]byte) (time.Time, bool) { return r.since, !r.since.IsZero() },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Keeper = k
	return r
}

// step takes one look and returns what is in the folder after it.
func (r *replica) step(t *testing.T) map[string][]byte {
	t.Helper()
	if _, err := r.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	data := map[string][]byte{}
	for _, name := range []string{CAFile, CertFile, KeyFile} {
		content, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		data[name] = content
	}
	if _, err := tls.X509KeyPair(data[CertFile], data[KeyFile]); err != nil {
		t.Errorf("the files do not match: %v", err)
	}
	if parse(data).issuer() < 0 {
		t.Error("the certificate is not of an authority in the bundle")
	}
	return data
}

func empty() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ark-system", Name: "ark-certificates"}}
}

func same(a, b map[string][]byte, file string) bool { return bytes.Equal(a[file], b[file]) }

func TestKeeperRotates(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	client := fake.NewClientset(empty())
	a, b := newReplica(t, client, clock), newReplica(t, client, clock)
	first := a.step(t)
	if second := b.step(t); !same(first, second, CertFile) || !same(first, second, CAFile) {
		t.Error("the second process did not take what the first had made")
	}
	a.since = start
	clock.SetTime(start.Add(61 * 24 * time.Hour))
	renewed := a.step(t)
	if same(first, renewed, CertFile) || !same(first, renewed, CAFile) {
		t.Error("the certificate was not renewed, by the same authority")
	}
	clock.SetTime(start.Add(601 * 24 * time.Hour))
	a.since = time.Time{}
	a.step(t) // of the old authority, which is the only one that is trusted
	clock.Step(time.Hour)
	waiting := a.step(t)
	if n := len(parse(waiting).authorities); n != 2 || parse(waiting).issuer() != 1 {
		t.Errorf("%d authorities, the certificate is of %d", n, parse(waiting).issuer())
	}
	a.since = clock.Now()
	if again := a.step(t); !same(waiting, again, CertFile) {
		t.Error("the new authority signs before the cluster's API servers know of it")
	}
	clock.Step(time.Minute)
	rotated := a.step(t)
	if !same(waiting, rotated, CAFile) || parse(rotated).issuer() != 0 {
		t.Error("the new authority does not sign, or the bundle has changed")
	}
	if later := b.step(t); !same(rotated, later, CertFile) {
		t.Error("the second process has another certificate")
	}
	clock.SetTime(start.Add(901 * 24 * time.Hour))
	if n := len(parse(a.step(t)).authorities); n != 1 {
		t.Errorf("%d authorities, the old one has expired", n)
	}
}

// TestKeeperWithoutTargets: a process that does not know who trusts a new authority
// waits for the life of a certificate.
func TestKeeperWithoutTargets(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	client := fake.NewClientset(empty())
	r := newReplica(t, client, clock)
	r.options.Trusted = nil
	r.step(t)
	clock.SetTime(start.Add(601 * 24 * time.Hour))
	r.step(t)
	clock.Step(89 * 24 * time.Hour)
	if got := parse(r.step(t)).issuer(); got != 1 {
		t.Errorf("authority %d signs", got)
	}
	clock.Step(2 * 24 * time.Hour)
	if got := parse(r.step(t)).issuer(); got != 0 {
		t.Errorf("authority %d signs", got)
	}
}

// TestKeeperConflict: who comes second takes what the first has written.
func TestKeeperConflict(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	client := fake.NewClientset(empty())
	// The fake client cannot be asked while it answers: the other's writes come from
	// another one.
	others := fake.NewClientset(empty())
	first := newReplica(t, others, clock).step(t)
	faster, err := others.CoreV1().Secrets("ark-system").Get(t.Context(), "ark-certificates", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	conflicts := 0
	client.PrependReactor("update", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if conflicts++; conflicts > 1 {
			return false, nil, nil
		}
		if err := client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("secrets"), faster, "ark-system"); err != nil {
			t.Error(err)
		}
		return true, nil, apierrors.NewConflict(corev1.Resource("secrets"), "ark-certificates", errors.New("changed"))
	})
	a := newReplica(t, client, clock)
	if second := a.step(t); !same(first, second, CertFile) {
		t.Error("two certificates were made")
	}
}

func TestKeeperHeals(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	for name, spoil := range map[string]func(t *testing.T, client *fake.Clientset, dir string){
		"no data": func(t *testing.T, client *fake.Clientset, _ string) {
			update(t, client, func(s *corev1.Secret) { s.Data = nil })
		},
		"no Secret": func(t *testing.T, client *fake.Clientset, _ string) {
			if err := client.CoreV1().Secrets("ark-system").Delete(t.Context(), "ark-certificates", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"nonsense": func(t *testing.T, client *fake.Clientset, _ string) {
			update(t, client, func(s *corev1.Secret) { s.Data[CAFile], s.Data[KeyFile] = []byte("x"), []byte("y") })
		},
		"no files": func(t *testing.T, _ *fake.Clientset, dir string) {
			if err := os.Remove(filepath.Join(dir, KeyFile)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(empty())
			r := newReplica(t, client, clock)
			r.step(t)
			spoil(t, client, r.dir)
			r.step(t)
			bundle, err := r.Bundle(t.Context())
			if err != nil || !bytes.Equal(bundle, r.step(t)[CAFile]) {
				t.Errorf("the bundle is not that of the files: %v", err)
			}
		})
	}
}

func update(t *testing.T, client *fake.Clientset, change func(*corev1.Secret)) {
	t.Helper()
	secrets := client.CoreV1().Secrets("ark-system")
	secret, err := secrets.Get(t.Context(), "ark-certificates", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	change(secret)
	if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestKeeperWaits: until there is a Secret that it may write, readiness says why, and
// then it goes on by itself.
func TestKeeperWaits(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "ark-certificates", errors.New("no"))
	})
	r := newReplica(t, client, clocktesting.NewFakeClock(start))
	_, err := r.sync(t.Context())
	r.note(t.Context(), err)
	if err := r.Ready(nil); err == nil || !strings.Contains(err.Error(), "no Secret ark-system/ark-certificates") {
		t.Errorf("readiness says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	if err := client.Tracker().Add(empty()); err != nil {
		t.Fatal(err)
	}
	<-r.Written()
	if err := r.Ready(nil); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
