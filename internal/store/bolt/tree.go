package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

var (
	errLayout = errors.New("its entries are not where they should be")
	errOrder  = errors.New("its keys are not in order")
	errDepth  = errors.New("its tree has no end")
)

// span is where the keys of a page must lie: from first, before end; nil is no limit.
type span struct{ first, end []byte }

func (s span) holds(key []byte) bool {
	return bytes.Compare(key, s.first) >= 0 && (s.end == nil || bytes.Compare(key, s.end) < 0)
}

// entry is one of a page. A branch page's has a page, a leaf page's a value.
type entry struct {
	flags      uint32
	page       uint64
	key, value []byte
}

// tree checks a bucket's tree, or the part of it below a page.
func (c *checker) tree(root uint64, bucket string, keys span, depth int) error {
	if depth > maxTreeDepth {
		return errDepth
	}
	b, err := c.page(root)
	if err != nil {
		return err
	}
	if order.Uint16(b[8:]) != flagBranch {
		if order.Uint16(b[10:]) == 0 && depth > 0 { // bbolt frees a page that gets empty
			return fmt.Errorf("page %d: %w", root, errLayout)
		}
		if _, err := c.leaf(b, bucket, keys, depth); err != nil {
			return fmt.Errorf("page %d: %w", root, err)
		}
		return nil
	}
	all, _, err := entries(b, keys)
	if err == nil && len(all) == 0 {
		err = errLayout
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", root, err)
	}
	for i, e := range all {
		below := span{e.key, keys.end}
		if i+1 < len(all) {
			below.end = all[i+1].key
		}
		if err := c.tree(e.page, bucket, below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page, in the file or in the value of a small bucket, and returns
// the size of what is in it.
func (c *checker) leaf(b []byte, bucket string, keys span, depth int) (size int, err error) {
	if order.Uint16(b[8:]) != flagLeaf {
		return 0, errors.New("it is of no known kind")
	}
	all, size, err := entries(b, keys)
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		switch {
		case e.flags == flagBucket:
			err = c.bucket(e, bucket, depth)
		case e.flags != 0:
			err = errLayout
		case strings.HasPrefix(bucket, ownPrefix):
			_, err = verify(e.key, e.value)
		}
		if err != nil {
			return 0, err
		}
	}
	return size, nil
}

// ownPrefix begins the names of this package's buckets.
const ownPrefix = "store/"

func (c *checker) bucket(e entry, parent string, depth int) error {
	switch {
	case strings.HasPrefix(parent, ownPrefix): // ours hold no buckets
		return errChanged
	case len(e.value) < bucketHeaderSize:
		return errLayout
	case depth > maxTreeDepth:
		return errDepth
	}
	name := string(e.key)
	if parent != "" {
		name = parent + "\x00" + name
	}
	root, page := order.Uint64(e.value), e.value[bucketHeaderSize:]
	switch {
	case root != 0:
		return c.tree(root, name, span{}, depth+1)
	case len(page) < headerSize:
		return errLayout
	}
	size, err := c.leaf(page, name, span{}, depth+1)
	if err == nil && size != len(page) {
		err = errLayout
	}
	return err
}

// entries reads the entries of a page, whose keys must lie in a span. bbolt writes keys
// and values one behind the other, right behind the list of entries: anything else has
// changed since. end is where the last one does.
func entries(b []byte, keys span) (all []entry, end int, err error) {
	count := int(order.Uint16(b[10:]))
	end = headerSize + count*entrySize
	if end > len(b) {
		return nil, 0, errLayout
	}
	branch := order.Uint16(b[8:]) == flagBranch
	all = make([]entry, count)
	for i := range all {
		from := headerSize + i*entrySize // positions count from the entry
		e, at, key, value := parseEntry(b[from:], branch)
		if at != uint64(end-from) || key == 0 || key+value > uint64(len(b)-end) { //nolint:gosec // G115: from < end <= len(b)
			return nil, 0, errLayout
		}
		middle := end + int(key) //nolint:gosec // G115: at most len(b)
		e.key = b[end:middle]
		end = middle + int(value) //nolint:gosec // G115: at most len(b)
		e.value = b[middle:end]
		if !keys.holds(e.key) || i > 0 && bytes.Compare(all[i-1].key, e.key) >= 0 {
			return nil, 0, errOrder
		}
		all[i] = e
	}
	return all, end, nil
}

// parseEntry reads one of the list: where its key is, and the sizes of key and value.
func parseEntry(b []byte, branch bool) (e entry, at, key, value uint64) {
	if branch {
		e.page = order.Uint64(b[8:])
		return e, uint64(order.Uint32(b)), uint64(order.Uint32(b[4:])), 0
	}
	e.flags = order.Uint32(b)
	return e, uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[12:]))
}
