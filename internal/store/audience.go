package store

// audience are the subscriptions to one resource, found by what they want: an
// event touches those that it concerns, not all. It is used under the lock of the
// reader.
type audience struct {
	byKey       map[string]subscriptions
	byNamespace map[string]subscriptions
	others      subscriptions
	progressive subscriptions
}

type subscriptions map[*Subscription]struct{}

func newAudience() *audience {
	return &audience{
		byKey:       map[string]subscriptions{},
		byNamespace: map[string]subscriptions{},
		others:      subscriptions{},
		progressive: subscriptions{},
	}
}

func (a *audience) add(u *Subscription) {
	if u.wantsProgress {
		a.progressive[u] = struct{}{}
	}
	ns, ok := namespace(u.scope.key)
	switch {
	case !u.scope.recursive:
		insert(a.byKey, u.scope.key, u)
	case ok && ns == u.scope.key:
		insert(a.byNamespace, ns, u)
	default:
		a.others[u] = struct{}{}
	}
}

func insert(index map[string]subscriptions, key string, u *Subscription) {
	set := index[key]
	if set == nil {
		set = subscriptions{}
		index[key] = set
	}
	set[u] = struct{}{}
}

func (a *audience) remove(u *Subscription) {
	delete(a.progressive, u)
	delete(a.others, u)
	for _, index := range []map[string]subscriptions{a.byKey, a.byNamespace} {
		if set := index[u.scope.key]; set != nil {
			delete(set, u)
			if len(set) == 0 {
				delete(index, u.scope.key)
			}
		}
	}
}

func (a *audience) empty() bool {
	return len(a.byKey) == 0 && len(a.byNamespace) == 0 && len(a.others) == 0
}

// push offers an event to those that it concerns.
func (a *audience) push(e *Event) {
	for u := range a.byKey[e.Key] {
		u.push(e)
	}
	if ns, ok := namespace(e.Key); ok {
		for u := range a.byNamespace[ns] {
			u.push(e)
		}
	}
	for u := range a.others {
		if u.scope.matches(e) {
			u.push(e)
		}
	}
}

func (a *audience) progress(position int64) {
	for u := range a.progressive {
		u.progress(position)
	}
}

func (a *audience) fail(err error) {
	for _, index := range []map[string]subscriptions{a.byKey, a.byNamespace, {"": a.others}} {
		for _, set := range index {
			for u := range set {
				u.fail(err)
			}
		}
	}
}
