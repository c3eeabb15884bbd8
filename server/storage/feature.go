package storage

import (
	"sync"

	"k8s.io/apiserver/pkg/storage"
	etcdfeature "k8s.io/apiserver/pkg/storage/feature"
)

// supported answers for PostgreSQL what the watch cache asks of etcd: whether a
// watch can be asked how far it is. Without it, consistent lists would all go to
// the database, and streamed lists would fail.
type supported struct {
	etcdfeature.FeatureSupportChecker
}

// Supports reports whether the storage has a feature.
func (s supported) Supports(f storage.Feature) bool {
	return f == storage.RequestWatchProgress || s.FeatureSupportChecker.Supports(f)
}

// announceFeatures tells the watch caches of this process, once.
var announceFeatures = sync.OnceFunc(func() {
	etcdfeature.DefaultFeatureSupportChecker = supported{etcdfeature.DefaultFeatureSupportChecker}
})
