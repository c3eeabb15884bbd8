// Package certificates makes the certificates that Ark shows to a cluster's API
// server, keeps them in a Secret that all processes share, and renews them.
package certificates

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// fieldManager is who the cluster says has written the Secret.
	fieldManager = "ark-certificates"
	// resync is the pause between two looks when nothing happens.
	resync = time.Minute
	// retry is the pause after a failure.
	retry = time.Second
	// maxPropagation is how long the cluster's API servers may take to learn of a
	// bundle; of certificates that live shortly it is a twentieth of their life.
	maxPropagation = 30 * time.Second
)

// Options of a Keeper.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	Secret    string // its name
	Dir       string // folder that the files are written to

	// Hosts are the DNS names of the serving certificate.
	Hosts []string
	// Lifetime of the serving certificate; authorities have ten times that.
	Lifetime time.Duration
	// Trusted says since when everybody who has to trusts a bundle; false: not all
	// do. nil: this process does not know. It leaves it to those that do, for the life
	// of a serving certificate, before it has a new authority sign.
	Trusted func(bundle []byte) (since time.Time, ok bool)
	Clock   clock.Clock // nil: the real one
}

// Keeper keeps the certificates. All processes do the same; whose write of the Secret
// comes first wins, and the others take what it has written.
type Keeper struct {
	options Options
	want    terms
	ready   chan struct{} // closed once the files are there

	mu  sync.Mutex
	why string // what is missing
}

// New makes a Keeper; Run starts it.
func New(o Options) (*Keeper, error) {
	switch {
	case o.Client == nil || o.Namespace == "" || o.Secret == "" || o.Dir == "":
		return nil, errors.New("keep certificates: a client, a namespace, a Secret and a folder are needed")
	case len(o.Hosts) == 0:
		return nil, errors.New("keep certificates: no DNS names were given")
	case o.Lifetime < time.Second:
		return nil, fmt.Errorf("keep certificates: a lifetime of %s is shorter than a second", o.Lifetime)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Keeper{
		options: o, want: terms{hosts: slices.Clone(o.Hosts), lifetime: o.Lifetime},
		ready: make(chan struct{}), why: "the Secret was not read yet",
	}, nil
}

// Ready says why there are no certificates yet; nil: there are. It is a check of
// readiness, which ignores the request.
func (k *Keeper) Ready(*http.Request) error {
	select {
	case <-k.ready:
		return nil
	default:
		k.mu.Lock()
		defer k.mu.Unlock()
		return errors.New(k.why)
	}
}

// Written is closed once the files are there.
func (k *Keeper) Written() <-chan struct{} { return k.ready }

// Run keeps the certificates until ctx ends. What goes wrong is logged, and tried
// again.
func (k *Keeper) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	watch, err := k.watch(changed)
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { watch.RunWithContext(ctx) })
	for {
		pause, err := k.sync(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.note(ctx, err)
		timer := k.options.Clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// watch tells of changes of the one Secret, which is all that a process may watch.
func (k *Keeper) watch(changed chan<- struct{}) (cache.SharedIndexInformer, error) {
	watch := coreinformers.NewFilteredSecretInformer(k.options.Client, k.options.Namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, k.options.Secret).String()
	})
	tell := func() {
		select {
		case changed <- struct{}{}:
		default: // it is told already
		}
	}
	_, err := watch.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { tell() }, UpdateFunc: func(_, _ any) { tell() }, DeleteFunc: func(any) { tell() },
	})
	if err != nil {
		return nil, fmt.Errorf("watch the Secret %s: %w", k.name(), err)
	}
	return watch, nil
}

// note logs what is missing, once, and what has become of it.
func (k *Keeper) note(ctx context.Context, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		select {
		case <-k.ready:
		default:
			close(k.ready)
			klog.FromContext(ctx).Info("The certificates are there", "secret", k.name(), "dir", k.options.Dir)
		}
	}
	if why != "" && why != k.why {
		klog.FromContext(ctx).Info("The certificates cannot be kept, trying again", "reason", why)
	}
	k.why = why
}

// sync brings the Secret and the files to what they should be, and says after which
// pause to look again.
func (k *Keeper) sync(ctx context.Context) (pause time.Duration, err error) {
	for {
		pause, err = k.try(ctx)
		if err == nil {
			return pause, nil
		}
		// Another process was faster: what it has written counts.
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return wait.Jitter(retry, 1), err
		}
		if ctx.Err() != nil {
			return retry, ctx.Err()
		}
	}
}

func (k *Keeper) try(ctx context.Context) (time.Duration, error) {
	secret, err := k.get(ctx)
	missing := apierrors.IsNotFound(err)
	if missing {
		secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: k.options.Namespace, Name: k.options.Secret},
			Type:       corev1.SecretTypeTLS,
		}
	} else if err != nil {
		return 0, fmt.Errorf("read the Secret %s: %w", k.name(), err)
	}
	now := k.options.Clock.Now()
	m, changed, err := k.renew(ctx, now, parse(secret.Data), secret.Data[CAFile])
	if err != nil {
		return 0, err
	}
	if changed {
		data, err := m.encode()
		if err != nil {
			return 0, err
		}
		secret = secret.DeepCopy()
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		maps.Copy(secret.Data, data)
		if secret, err = k.put(ctx, secret, missing); err != nil {
			return 0, err
		}
	}
	if err := writeDir(k.options.Dir, secret.Data); err != nil {
		return 0, err
	}
	return k.pause(now, m), nil
}

// renew does what is planned; changed: something was.
func (k *Keeper) renew(ctx context.Context, now time.Time, m material, bundle []byte) (_ material, changed bool, err error) {
	trusted := k.trusted(now, m, bundle)
	for {
		a := plan(now, m, k.want, trusted)
		if a.step == keep {
			return m, changed, nil
		}
		if m, err = a.do(m, now, k.want); err != nil {
			return m, changed, err
		}
		switch a.step {
		case dropAuthority:
			klog.FromContext(ctx).Info("An authority leaves the bundle", "reason", a.why)
		case addAuthority:
			klog.FromContext(ctx).Info("A new authority is added to the bundle", "subject", m.authorities[0].certificate.Subject, "reason", a.why)
			trusted = false // nobody knows it yet
		case issueServing:
			klog.FromContext(ctx).Info("A new serving certificate is made",
				"issuer", m.serving.Issuer, "notAfter", m.serving.NotAfter, "reason", a.why)
		case keep:
		}
		changed = true
	}
}

// trusted says whether the newest authority may sign: everybody has known it for
// long enough.
func (k *Keeper) trusted(now time.Time, m material, bundle []byte) bool {
	newest := m.newest(-1)
	if newest < 0 {
		return false
	}
	if k.options.Trusted == nil {
		c := m.authorities[newest].certificate
		known := c.NotBefore.Add(skew(k.options.Lifetime) + k.options.Lifetime)
		return !now.Before(known)
	}
	since, ok := k.options.Trusted(bundle)
	return ok && now.Sub(since) >= k.propagation()
}

func (k *Keeper) propagation() time.Duration {
	return min(maxPropagation, k.options.Lifetime/20)
}

// pause is how long nothing has to be done: shortly while an authority waits until it
// is trusted.
func (k *Keeper) pause(now time.Time, m material) time.Duration {
	longest := wait.Jitter(resync, 0.5)
	if m.issuer() != m.newest(-1) {
		longest = min(retry, k.propagation())
	}
	return max(min(longest, m.next().Sub(now)), time.Millisecond)
}

func (k *Keeper) name() string { return k.options.Namespace + "/" + k.options.Secret }

func (k *Keeper) get(ctx context.Context) (*corev1.Secret, error) {
	return k.options.Client.CoreV1().Secrets(k.options.Namespace).Get(ctx, k.options.Secret, metav1.GetOptions{})
}

// put writes the Secret, if nobody else has meanwhile.
func (k *Keeper) put(ctx context.Context, secret *corev1.Secret, create bool) (*corev1.Secret, error) {
	secrets := k.options.Client.CoreV1().Secrets(k.options.Namespace)
	if !create {
		written, err := secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
		if err != nil {
			return nil, fmt.Errorf("write the Secret %s: %w", k.name(), err)
		}
		return written, nil
	}
	written, err := secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("there is no Secret %s, which the installation brings, and this process may not make it: %w", k.name(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("make the Secret %s: %w", k.name(), err)
	}
	return written, nil
}

// Bundle reads the certificates of the authorities from the Secret itself: files may
// be behind it for a moment.
func (k *Keeper) Bundle(ctx context.Context) ([]byte, error) {
	secret, err := k.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the Secret %s: %w", k.name(), err)
	}
	if len(secret.Data[CAFile]) == 0 {
		return nil, fmt.Errorf("the Secret %s has no %s yet", k.name(), CAFile)
	}
	return secret.Data[CAFile], nil
}
