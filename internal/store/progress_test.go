package store

import "testing"

// TestProgressIsNeverBehindEvents: a word on progress that waits while later
// events are given is not given after them.
func TestProgressIsNeverBehindEvents(t *testing.T) {
	t.Parallel()
	next := func(u *Subscription) (rvs []int64) {
		items, _, err := u.take()
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			rvs = append(rvs, item.RV)
		}
		return rvs
	}
	u := &Subscription{wantsProgress: true, signal: make(chan struct{}, 1), page: firstPage}
	u.progress(5)
	u.push(&Event{RV: 6, Key: "a"})
	if got := next(u); len(got) != 1 || got[0] != 6 {
		t.Fatalf("got revisions %v, want the event at 6", got)
	}
	if got := next(u); len(got) > 0 {
		t.Errorf("told %v after an event at 6", got)
	}
	u.progress(7)
	if got := next(u); len(got) != 1 || got[0] != 7 {
		t.Errorf("told %v, want 7", got)
	}

	behind := &Subscription{wantsProgress: true, signal: make(chan struct{}, 1), page: firstPage,
		scope: scope{resource: things, recursive: true}, reached: 5, lagging: true}
	if items := behind.advance([]*Event{{RV: 8, Key: "a"}}, 9); len(items) != 1 {
		t.Fatalf("got %+v", items)
	}
	behind.lagging = false
	if got := next(behind); len(got) > 0 {
		t.Errorf("told %v after history up to 9", got)
	}
}
