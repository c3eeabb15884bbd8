package store

import (
	"fmt"
	"testing"
)

// TestRingIsBounded: memory holds so many events and bytes, and of fewer still what
// was made of them.
func TestRingIsBounded(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 10, "medium": 8 << 10, "large": maxSharedBytes / 3, "huge": maxRingBytes + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &ring{floor: 1}
			body := make([]byte, size)
			const n = 3*maxRingEvents + 7
			owner, made := &struct{}{}, 0
			var events []*Event
			for i := range n {
				e := &Event{RV: int64(i + 2), Key: "a", Body: body}
				r.add(e)
				events = append(events, e)
				e.Shared(owner, func() any { made++; return made })
			}
			kept := r.after(r.floor)
			if len(kept) > maxRingEvents || len(kept)*(size+1) > maxRingBytes || r.bytes != len(kept)*(size+1) {
				t.Errorf("%d events, %d bytes (counted %d) are kept", len(kept), len(kept)*(size+1), r.bytes)
			}
			for i, e := range kept {
				if want := n + 1 - len(kept) + i + 1; e.RV != int64(want) {
					t.Fatalf("event %d has revision %d, want %d", i, e.RV, want)
				}
			}
			shared := 0
			for _, e := range events {
				if e.shared != nil {
					shared++
				}
			}
			if shared > maxSharedEvents || (shared-1)*size > maxSharedBytes {
				t.Errorf("what was made of %d events is kept", shared)
			}
			if size < maxSharedBytes && shared < 2 {
				t.Errorf("what was made of %d events is kept: nothing is shared", shared)
			}
		})
	}
}

// TestLateComersMakeTheirOwn: what was let go of is made anew, and not kept.
func TestLateComersMakeTheirOwn(t *testing.T) {
	t.Parallel()
	e, owner, made := &Event{}, "owner", 0
	share := func() string {
		return e.Shared(owner, func() any { made++; return fmt.Sprint(made) }).(string)
	}
	if first, again := share(), share(); first != "1" || again != "1" {
		t.Errorf("shared %s, then %s", first, again)
	}
	e.unshare()
	if late, later := share(), share(); late != "2" || later != "3" {
		t.Errorf("made %s, then %s", late, later)
	}
	if e.shared != nil {
		t.Error("what was made for a late one is kept")
	}
}
