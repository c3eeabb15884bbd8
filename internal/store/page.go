package store

// pageSize is a number of rows to read at once. It follows the size of what is
// read, so that a page of large objects does not take all memory, and one of small
// objects is worth its round trip.
type pageSize int

const (
	firstPage    pageSize = 128
	smallestPage pageSize = 4
	largestPage  pageSize = 2048

	smallPageBytes = 1 << 20
	largePageBytes = 8 << 20
)

func (p pageSize) next(events []*Event) pageSize {
	bytes := 0
	for _, e := range events {
		bytes += e.size()
	}
	switch {
	case bytes > largePageBytes:
		return max(p/2, smallestPage)
	case bytes < smallPageBytes && len(events) >= int(p):
		return min(p*2, largestPage)
	}
	return p
}
