package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// eventually waits for a condition, and fails the test at a deadline that is far
// beyond what it takes.
func eventually(t *testing.T, what string, met func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		last = met(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v: %v", what, err, last)
	}
}

func testNamespaces(t *testing.T, f *fixture) {
	namespaces := f.clientset.CoreV1().Namespaces()
	for _, name := range []string{"default", "kube-system"} {
		ns := must(namespaces.Get(t.Context(), name, metav1.GetOptions{}))(t)
		if ns.Status.Phase != corev1.NamespaceActive || ns.Labels[corev1.LabelMetadataName] != name {
			t.Errorf("%s is %s, with labels %v", name, ns.Status.Phase, ns.Labels)
		}
		if err := namespaces.Delete(t.Context(), name, metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("%s was deleted: %v", name, err)
		}
	}
	_, err := f.dynamic.Resource(ark("agents")).Namespace("nowhere").Create(t.Context(), object(t, agentManifest), metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("an agent in a namespace that does not exist: %v", err)
	}
	contains(t, err, "namespaces", "nowhere", "not found")

	name := f.withAgent(t)
	must(f.dynamic.Resource(ark("queries")).Namespace(name).Create(t.Context(), object(t, queryManifest), metav1.CreateOptions{}))(t)
	held := object(t, agentManifest)
	held.SetName("held")
	held.SetFinalizers([]string{"example.com/wait"})
	must(f.dynamic.Resource(ark("agents")).Namespace(name).Create(t.Context(), held, metav1.CreateOptions{}))(t)
	if err := namespaces.Delete(t.Context(), name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	if ns := must(namespaces.Get(t.Context(), name, metav1.GetOptions{}))(t); ns.Status.Phase != corev1.NamespaceActive {
		t.Fatalf("after a dry run it is %s", ns.Status.Phase)
	}
	if err := namespaces.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	late := object(t, agentManifest)
	late.SetName("late")
	if _, err := f.dynamic.Resource(ark("agents")).Namespace(name).Create(t.Context(), late, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("an agent in a namespace that is being deleted: %v", err)
	}
	agents := f.dynamic.Resource(ark("agents")).Namespace(name)
	eventually(t, "only what is held is left", func(ctx context.Context) error {
		list, err := agents.List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) != 1 {
			err = fmt.Errorf("%d agents", len(list.Items))
		}
		return err
	})
	if ns := must(namespaces.Get(t.Context(), name, metav1.GetOptions{}))(t); ns.Status.Phase != corev1.NamespaceTerminating {
		t.Errorf("while it is emptied it is %s", ns.Status.Phase)
	}
	eventually(t, "it says what it waits for", func(ctx context.Context) error {
		ns, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		said := map[corev1.NamespaceConditionType]string{}
		for _, c := range ns.Status.Conditions {
			said[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
		}
		if !strings.Contains(said[corev1.NamespaceContentRemaining], "True SomeResourcesRemain: Some resources are remaining: agents.ark.mckinsey.com has 1 ") ||
			!strings.Contains(said[corev1.NamespaceFinalizersRemaining], "True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/wait in 1 ") {
			return fmt.Errorf("it says %v", said)
		}
		return nil
	})
	labelled := must(namespaces.Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}))(t)
	if ns := must(namespaces.Get(t.Context(), name, metav1.GetOptions{}))(t); ns.UID != labelled.UID || ns.ResourceVersion != labelled.ResourceVersion {
		t.Errorf("nothing has changed since its labels, and yet it was written")
	}
	must(agents.Patch(t.Context(), "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}))(t)
	eventually(t, "the namespace is gone", func(ctx context.Context) error {
		_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %w", err)
	})
	if n := f.queued(t, name); n != 0 {
		t.Errorf("%d entries in the queue", n)
	}
}

func testSecrets(t *testing.T, f *fixture) {
	secrets := f.clientset.CoreV1().Secrets(f.inNamespace(t))
	yes := true
	s := must(secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"token": "t"}, Data: map[string][]byte{"token": []byte("old"), "other": []byte("o")},
	}, metav1.CreateOptions{}))(t)
	if string(s.Data["token"]) != "t" || string(s.Data["other"]) != "o" || s.StringData != nil || s.Type != corev1.SecretTypeOpaque {
		t.Errorf("it became %+v", s)
	}
	s.Immutable = &yes
	s = must(secrets.Update(t.Context(), s, metav1.UpdateOptions{}))(t)
	s.Data["token"] = []byte("new")
	_, err := secrets.Update(t.Context(), s, metav1.UpdateOptions{})
	contains(t, err, "data", "immutable")
	_, err = secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "tls"}, Type: corev1.SecretTypeTLS}, metav1.CreateOptions{})
	contains(t, err, "data[tls.crt]", "Required")
	_, err = secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "big"}, Data: map[string][]byte{"a": make([]byte, corev1.MaxSecretSize+1)}}, metav1.CreateOptions{})
	contains(t, err, "data", "Too long")
	if list := must(secrets.List(t.Context(), metav1.ListOptions{FieldSelector: "type=Opaque"}))(t); len(list.Items) != 1 {
		t.Errorf("%d opaque secrets", len(list.Items))
	}
}

func testConfigMaps(t *testing.T, f *fixture) {
	maps := f.clientset.CoreV1().ConfigMaps(f.inNamespace(t))
	m := must(maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Data: map[string]string{"a": "b"}}, metav1.CreateOptions{}))(t)
	patched := must(maps.Patch(t.Context(), "m", types.StrategicMergePatchType, []byte(`{"data":{"c":"d"}}`), metav1.PatchOptions{}))(t)
	if patched.Data["a"] != "b" || patched.Data["c"] != "d" {
		t.Errorf("after a strategic merge patch: %v", patched.Data)
	}
	m.ResourceVersion = "" // built-in kinds may be overwritten
	must(maps.Update(t.Context(), m, metav1.UpdateOptions{}))(t)
	_, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bad"}, Data: map[string]string{"no/key": ""}}, metav1.CreateOptions{})
	contains(t, err, "data[no/key]")
}

func testEvents(t *testing.T, f *fixture) {
	ns := f.inNamespace(t)
	events := f.clientset.CoreV1().Events(ns)
	now := metav1.Now()
	for _, name := range []string{"a", "b"} {
		must(events.Create(t.Context(), &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Name: name},
			InvolvedObject: corev1.ObjectReference{Kind: "Query", Namespace: ns, Name: name, UID: types.UID("uid-" + name)},
			Reason:         "Asked", Message: "It was asked", Type: corev1.EventTypeNormal, Count: 3, FirstTimestamp: now, LastTimestamp: now,
			Source: corev1.EventSource{Component: "test"},
		}, metav1.CreateOptions{}))(t)
	}
	for _, selector := range []string{"involvedObject.name=a", "involvedObject.uid=uid-a,involvedObject.kind=Query,involvedObject.namespace=" + ns} {
		list := must(events.List(t.Context(), metav1.ListOptions{FieldSelector: selector}))(t)
		if len(list.Items) != 1 || list.Items[0].Name != "a" {
			t.Errorf("%s: %d events", selector, len(list.Items))
		}
	}
	_, err := events.List(t.Context(), metav1.ListOptions{FieldSelector: "message=x"})
	if !apierrors.IsBadRequest(err) {
		t.Errorf("a field that cannot be selected: %v", err)
	}
	contains(t, err, "message", "involvedObject.name", "metadata.name")
	_, err = f.dynamic.Resource(ark("queries")).Namespace(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.input=x"})
	contains(t, err, "spec.input", "metadata.name", "spec.target.name", "status.phase")
	_, err = events.CreateWithEventNamespace(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: ns}, InvolvedObject: corev1.ObjectReference{Namespace: "elsewhere"}})
	contains(t, err, "involvedObject.namespace")
	var table metav1.Table
	body := f.get(t.Context(), t, "/api/v1/namespaces/"+ns+"/events?fieldSelector=metadata.name%3Da", "application/json;as=Table;v=v1;g=meta.k8s.io")
	if err := json.Unmarshal(body, &table); err != nil {
		t.Fatal(err)
	}
	checkTable(t, table, []string{"Last Seen", "Type", "Reason", "Object", "Subobject/1", "Source/1", "Message", "First Seen/1", "Count/1", "Name/1"},
		[]any{nil, "Normal", "Asked", "query/a", "", "test", "It was asked", nil, 3.0, "a"})
	var lives []float64
	rows := must(f.pool.Query(t.Context(), "SELECT extract(epoch FROM expires_at - now())::float8 FROM ark.objects WHERE resource = 'events' AND key LIKE $1", ns+"/%"))(t)
	defer rows.Close()
	for rows.Next() {
		var seconds float64
		if err := rows.Scan(&seconds); err != nil {
			t.Fatal(err)
		}
		lives = append(lives, seconds)
	}
	if err := rows.Err(); err != nil || len(lives) != 2 || slices.Min(lives) < 3000 || slices.Max(lives) > 3600 {
		t.Errorf("the events live for %v s: %v", lives, err)
	}
}
