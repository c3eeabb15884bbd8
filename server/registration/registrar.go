// Package registration has a cluster's API server trust Ark, and send it what is
// Ark's: it keeps the caBundle of the APIServices or of the webhook configurations.
package registration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
)

const (
	// fieldManager is who the cluster says has written a caBundle.
	fieldManager = "ark-registration"
	// resync is the pause between two looks when nothing happens.
	resync = time.Minute
	// retry is the pause after a look that has found something missing; it doubles up
	// to maxRetry.
	retry, maxRetry = time.Second, 10 * time.Second
	// looksPerSecond and looksAtOnce bound how often changes are answered: the status
	// of an APIService may change often.
	looksPerSecond, looksAtOnce = 2, 10
)

// Options of a Registrar.
type Options struct {
	Cluster *rest.Config
	// CAFile holds the certificates of the authorities, and is read again when it
	// changes.
	CAFile string

	// Service that the APIServices point to; nil: they are not looked after.
	Service *Service
	// Webhooks is the name of the mutating and the validating webhook configuration;
	// empty: they are not looked after.
	Webhooks string
}

// Registrar keeps the registration. Any number of processes may, all at once.
type Registrar struct {
	options   Options
	client    dynamic.Interface
	discovery kinds
	targets   []target
	source    func(ctx context.Context) ([]byte, error) // of the bundle; nil: the file
	wake      chan struct{}
	served    chan struct{} // closed once the cluster reaches what is registered

	mu     sync.Mutex
	why    error     // what the last look found missing; nil: nothing
	done   bool      // a look has found nothing missing
	bundle []byte    // that all targets had at the last look
	since  time.Time // when they first had it
}

// kinds are those that the cluster serves.
type kinds interface {
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// missing is why Ark is not registered, found out by a look, unlike the failure of
// one.
type missing struct{ text string }

func (m missing) Error() string { return m.text }

func missingf(format string, args ...any) error { return missing{fmt.Sprintf(format, args...)} }

// New makes a Registrar; Run starts it.
func New(o Options) (*Registrar, error) {
	if o.Cluster == nil || o.CAFile == "" {
		return nil, errors.New("register with the cluster: its address and a file of authorities are needed")
	}
	client, err := dynamic.NewForConfig(o.Cluster)
	if err != nil {
		return nil, fmt.Errorf("make a client for the registration: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(o.Cluster)
	if err != nil {
		return nil, fmt.Errorf("make a client for discovery: %w", err)
	}
	return newRegistrar(o, client, kinds), nil
}

func newRegistrar(o Options, client dynamic.Interface, kinds kinds) *Registrar {
	return &Registrar{
		options: o, client: client, discovery: kinds, targets: o.targets(),
		wake: make(chan struct{}, 1), served: make(chan struct{}), why: missingf("nothing was looked at yet"),
	}
}

// ReadBundleBy reads what CAFile will soon hold, where the file may be behind what
// other processes have. It is called before Run.
func (r *Registrar) ReadBundleBy(source func(ctx context.Context) ([]byte, error)) { r.source = source }

// Ready says why Ark is not registered; nil: it is, or was when the cluster could last
// be asked. It is a check of readiness, which ignores the request.
func (r *Registrar) Ready(*http.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var m missing
	if r.why != nil && r.done && !errors.As(r.why, &m) {
		return nil
	}
	return r.why
}

// Wait returns once Ark is registered and the cluster reaches it.
func (r *Registrar) Wait(ctx context.Context) error {
	select {
	case <-r.served:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Trusted says since when all targets have had a bundle; false: they have not.
func (r *Registrar) Trusted(bundle []byte) (since time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, len(bundle) > 0 && r.why == nil && string(r.bundle) == string(bundle)
}

// Enqueue has the Registrar look again. It implements dynamiccertificates.Listener.
func (r *Registrar) Enqueue() {
	select {
	case r.wake <- struct{}{}:
	default: // it is told already
	}
}

// Run keeps the registration until ctx ends. What goes wrong is logged, and tried
// again.
func (r *Registrar) Run(ctx context.Context) error {
	file, err := r.openFile(ctx)
	if err != nil {
		return err
	}
	file.AddListener(r)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { file.Run(ctx, 1) })
	for _, t := range r.targets {
		watch, err := r.watch(t)
		if err != nil {
			return err
		}
		watching.Go(func() { watch.RunWithContext(ctx) })
	}
	bundle := r.source
	if bundle == nil {
		bundle = func(context.Context) ([]byte, error) { return file.CurrentCABundleContent(), nil }
	}
	pace := flowcontrol.NewTokenBucketRateLimiter(looksPerSecond, looksAtOnce)
	backoff := newBackoff()
	for {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		pause := wait.Jitter(resync, 0.5)
		if r.note(ctx, r.look(ctx, bundle)) {
			backoff = newBackoff()
		} else {
			pause = backoff.Step()
		}
		if err := r.pause(ctx, pause); err != nil {
			return err
		}
	}
}

func newBackoff() *wait.Backoff {
	return &wait.Backoff{Duration: retry, Factor: 2, Jitter: 0.5, Steps: 10, Cap: maxRetry}
}

// openFile waits until there are authorities.
func (r *Registrar) openFile(ctx context.Context) (*dynamiccertificates.DynamicFileCAContent, error) {
	for {
		file, err := dynamiccertificates.NewDynamicCAContentFromFile("registration", r.options.CAFile)
		if err == nil {
			return file, nil
		}
		r.note(ctx, finding{err: missingf("read the authorities: %v", err)})
		if err := r.pause(ctx, wait.Jitter(retry, 1)); err != nil {
			return nil, err
		}
	}
}

// pause ends when there is something to look at, or after so long.
func (r *Registrar) pause(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.wake:
	case <-timer.C:
	}
	return nil
}

// finding is what a look has found.
type finding struct {
	bundle []byte // that all targets have
	wrote  bool   // one of them had another one
	served bool   // the cluster reaches what is registered
	err    error
}

// note remembers what a look has found, and logs what is missing once. settled:
// there is nothing to wait for.
func (r *Registrar) note(ctx context.Context, f finding) (settled bool) {
	if ctx.Err() != nil {
		return false
	}
	log := klog.FromContext(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.err != nil {
		if r.why == nil || f.err.Error() != r.why.Error() {
			log.Info("Not registered with the cluster, trying again", "reason", f.err.Error())
		}
		r.why = f.err
		return false
	}
	if r.why != nil {
		log.Info("Registered with the cluster")
	}
	if f.wrote || r.why != nil || string(r.bundle) != string(f.bundle) {
		r.bundle, r.since = f.bundle, time.Now()
	}
	r.why, r.done = nil, true
	select {
	case <-r.served:
	default:
		if f.served {
			close(r.served)
		}
	}
	return true
}

// look brings all targets to what they should be.
func (r *Registrar) look(ctx context.Context, bundle func(context.Context) ([]byte, error)) finding {
	objects := make([]*unstructured.Unstructured, len(r.targets))
	var all []error
	for i, t := range r.targets {
		var err error
		if objects[i], err = r.client.Resource(t.resource).Get(ctx, t.name, metav1.GetOptions{}); err != nil {
			all = append(all, t.explain(err))
		}
	}
	// The bundle is read after the targets: a target that somebody else has given a
	// newer one since then cannot be written over with this one.
	authorities, err := bundle(ctx)
	if err != nil {
		return finding{err: errors.Join(append(all, err)...)}
	}
	f := finding{bundle: authorities, served: true}
	claims := r.claim(ctx, objects)
	for i, t := range r.targets {
		if objects[i] == nil {
			continue
		}
		changed := objects[i].DeepCopy()
		if err := t.change(changed, authorities, claims); err != nil {
			all = append(all, err)
			continue
		}
		f.served = f.served && t.served(changed)
		if equal(objects[i], changed) {
			continue
		}
		f.wrote = true
		if err := r.write(ctx, t, changed); err != nil {
			all = append(all, err)
		}
	}
	f.err = errors.Join(all...)
	return f
}

// write writes a target that is to change, if nobody else has changed it since it was
// read.
func (r *Registrar) write(ctx context.Context, t target, after *unstructured.Unstructured) error {
	_, err := r.client.Resource(t.resource).Update(ctx, after, metav1.UpdateOptions{FieldManager: fieldManager})
	if apierrors.IsConflict(err) {
		r.Enqueue()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", t, err)
	}
	klog.FromContext(ctx).Info("Wrote the registration", "target", t.String())
	return nil
}
