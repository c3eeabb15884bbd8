package execution

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// atOnce are retries without a wait.
var atOnce = wait.Backoff{}

// failingReader fails the first reads.
type failingReader struct {
	client.Reader
	err   error
	times int32
	reads atomic.Int32
}

func (r *failingReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if r.reads.Add(1) <= r.times {
		return r.err
	}
	return r.Reader.Get(ctx, key, into, opts...)
}

func (r *failingReader) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	if r.reads.Add(1) <= r.times {
		return r.err
	}
	return r.Reader.List(ctx, into, opts...)
}

// What was created a moment ago is found, although the cache does not know it.
func TestLaggingCache(t *testing.T) {
	t.Parallel()
	m := serveModel(t, func(n int, _ chat, _ *http.Request) reply {
		if n%2 == 1 {
			return calls("t", "{}")
		}
		return says("ok")
	})
	tool := newTool("t", serveTool(t, echo).URL)
	agent := newAgent(withTools(uses("t")))
	agent.Labels = map[string]string{"app": "x"}
	all := []client.Object{newModel("default", m.URL), agent, tool}
	selecting := newQuery("", "", "hi")
	selecting.Spec.Selector = &metav1.LabelSelector{MatchLabels: agent.Labels}
	for name, q := range map[string]*arkv1alpha1.Query{"target": newQuery(arkv1alpha1.TargetAgent, "a", "hi"), "selector": selecting} {
		r := newRunner(t, nil)
		r.reader.live = reader(t, all...)
		if o := r.Run(t.Context(), q, nil); o.Phase != arkv1alpha1.QueryDone {
			t.Errorf("%s: %+v", name, o)
		}
	}
	r := newRunner(t, nil, agent, newModel("default", m.URL))
	live := &failingReader{Reader: reader(t)}
	r.reader.live = live
	errored(t, ask(t, r, nil), `the Tool "t" does not exist in namespace "ns"`)
	if n := live.reads.Load(); n != 1 {
		t.Errorf("%d reads past the cache, want one of the missing Tool", n)
	}
}

func TestReadsAreTriedAgain(t *testing.T) {
	t.Parallel()
	agents := schema.GroupResource{Group: "ark.mckinsey.com", Resource: "agents"}
	network := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://api", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	tests := []struct {
		name   string
		err    error
		passes bool
	}{
		{"refused connection", network(os.NewSyscallError("connect", syscall.ECONNREFUSED)), true},
		{"reset connection", network(os.NewSyscallError("read", syscall.ECONNRESET)), true},
		{"broken connection", &url.Error{Op: "Get", URL: "https://api", Err: io.EOF}, true},
		{"time-out of the network", network(os.ErrDeadlineExceeded), true},
		{"too many requests", apierrors.NewTooManyRequests("slow down", 1), true},
		{"internal error", apierrors.NewInternalError(errors.New("boom")), true},
		{"unavailable", apierrors.NewServiceUnavailable("starting"), true},
		{"time-out of the server", apierrors.NewTimeoutError("slow", 1), true},
		{"forbidden", apierrors.NewForbidden(agents, "a", errors.New("no")), false},
		{"invalid", apierrors.NewBadRequest("no"), false},
		{"unauthorized", apierrors.NewUnauthorized("no"), false},
		{"not found", apierrors.NewNotFound(agents, "a"), false},
		{"anything else", errors.New("no kind is registered"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := script(t, says("ok"))
			flaky := &failingReader{Reader: reader(t, newModel("default", m.URL), newAgent()), err: tt.err, times: 3}
			r := newRunner(t, nil)
			r.reader = &steadyReader{reader: flaky, backoff: atOnce}
			o := ask(t, r, nil)
			if passes := o.Phase == arkv1alpha1.QueryDone; passes != tt.passes {
				t.Errorf("outcome %+v", o)
			}
			if n := flaky.reads.Load(); !tt.passes && n != 1 {
				t.Errorf("%d reads, want 1", n)
			}
		})
	}
}

func TestReadsAreGivenUp(t *testing.T) {
	t.Parallel()
	away := apierrors.NewServiceUnavailable("the server is away")
	r := newRunner(t, nil)
	flaky := &failingReader{err: away, times: 1000}
	r.reader = &steadyReader{reader: flaky, backoff: atOnce}
	errored(t, ask(t, r, nil), `read the Agent "a"`, "given up after 10 attempts", "the server is away")
	if n := flaky.reads.Load(); n != maxReadAttempts {
		t.Errorf("%d reads", n)
	}

	// The Query's own end does not wait for the next attempt.
	r.reader = &steadyReader{reader: &failingReader{err: away, times: 1000}, backoff: wait.Backoff{Duration: time.Hour}}
	q := newQuery(arkv1alpha1.TargetAgent, "a", "hi")
	q.Spec.Timeout = "10ms"
	if o := r.Run(t.Context(), q, nil); o.Reason != arkv1alpha1.ReasonTimedOutInExecution {
		t.Errorf("outcome %+v", o)
	}
}

// All attempts together take about half a minute.
func TestReadBackoff(t *testing.T) {
	t.Parallel()
	backoff, sum := readBackoff, time.Duration(0)
	for range maxReadAttempts - 1 {
		sum += backoff.Step()
	}
	if sum < 20*time.Second || sum > 40*time.Second {
		t.Errorf("%s", sum)
	}
}
