package registration

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	certutil "k8s.io/client-go/util/cert"
)

// TestRunFollowsFile: the file of authorities may come late, and change: both are
// registered. It ends with its context.
func TestRunFollowsFile(t *testing.T) {
	o := service(nil)
	o.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	r, client := newTest(t, o, strings.Replace(charts, "spec:", `status: {conditions: [{type: Available, status: "True", reason: Passed}]}`+"\nspec:", 1))
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := client.Resource(apiServices).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	for range 2 {
		authority, _, err := certutil.GenerateSelfSignedCertKey("ca", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		temp := o.CAFile + ".new"
		if err := errors.Join(os.WriteFile(temp, authority, 0o600), os.Rename(temp, o.CAFile)); err != nil {
			t.Fatal(err)
		}
		e := <-changes.ResultChan()
		for e.Type != watch.Modified { // it begins with what is there
			e = <-changes.ResultChan()
		}
		bundle, _, _ := unstructured.NestedString(e.Object.(*unstructured.Unstructured).Object, "spec", "caBundle")
		if bundle != base64.StdEncoding.EncodeToString(authority) {
			t.Error("another bundle is registered")
		}
		if err := r.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
