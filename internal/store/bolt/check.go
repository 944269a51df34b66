package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, which is in the byte order of the machine. A page is
//
//	id 8, flags 2, count 2, overflow 4 (further pages it extends over)
//
// and then, in a meta page, the fields of meta; in a branch page count times
// (position 4, key size 4, page 8), in a leaf page count times (flags 4, position 4,
// key size 4, value size 4), and behind them the keys and values; in a freelist page
// count page IDs. A bucket is a value (root page 8, sequence 8), with the page itself
// behind it where the root page is 0.
//
// Source: go.etcd.io/bbolt internal/common/{meta,page,bucket}.go.
const (
	headerSize       = 16
	entrySize        = 16 // of a branch as of a leaf
	bucketHeaderSize = 16
	metaSize         = 64

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of an entry of a leaf

	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	noFreelist   = ^uint64(0)
	bigFreelist  = 0xFFFF // count where the first ID is the count
	minPageSize  = 1 << 10
	maxPageSize  = 1 << 16
	maxTreeDepth = 64
)

var order = binary.NativeEndian

var errMagic = errors.New("it does not begin as one")

// meta is one of the two pages that say where everything is.
type meta struct {
	pageSize, root, freelist, pages, txid uint64
}

func readMeta(f io.ReaderAt, at uint64) (m meta, err error) {
	b := make([]byte, headerSize+metaSize)
	if _, err := f.ReadAt(b, int64(at)); err != nil { //nolint:gosec // G115: at is a page size at most
		return m, fmt.Errorf("it is cut off: %w", err)
	}
	b = b[headerSize:]
	if order.Uint32(b) != metaMagic {
		return m, errMagic
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // a hash never fails
	if order.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return m, fmt.Errorf("the page at byte %d has a wrong checksum", at)
	}
	if v := order.Uint32(b[4:]); v != metaVersion {
		return m, fmt.Errorf("its bbolt version is %d, not %d", v, metaVersion)
	}
	return meta{
		pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]),
		freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}, nil
}

// checker reads a file as bbolt would and looks before it leaps.
type checker struct {
	f    io.ReaderAt
	meta meta
	seen []bool // the pages that are in use
}

// check reads all of a bbolt file that is in use and returns the first thing that is
// wrong with it: one that bbolt would fall over, or an entry of ours that has changed.
func check(f io.ReaderAt, size int64) error {
	if size == 0 {
		return errors.New("it is empty")
	}
	m, err := newestMeta(f)
	if err != nil {
		return err
	}
	if m.pages > uint64(size)/m.pageSize { //nolint:gosec // G115: a size is positive
		return fmt.Errorf("it is cut off: %d bytes are too few for %d pages", size, m.pages)
	}
	c := &checker{f: f, meta: m, seen: make([]bool, m.pages)}
	if m.pages < 2 {
		return errors.New("it has no pages")
	}
	c.seen[0], c.seen[1] = true, true
	if err := c.tree(m.root, "", span{}, 0); err != nil {
		return err
	}
	return c.freelist()
}

// newestMeta returns the meta page that counts. Both must be good: bbolt would take
// the older where the newer is damaged, and forget the last write without a word.
func newestMeta(f io.ReaderAt) (meta, error) {
	first, err := readMeta(f, 0)
	if err != nil {
		return meta{}, err
	}
	size := first.pageSize
	if size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return meta{}, fmt.Errorf("its page size is %d", size)
	}
	second, err := readMeta(f, size)
	switch {
	case err != nil:
		return meta{}, fmt.Errorf("the page at byte %d: %w", size, err)
	case second.pageSize != size:
		return meta{}, errors.New("its page size is not clear")
	case second.txid > first.txid:
		return second, nil
	default:
		return first, nil
	}
}

// page reads a page with what it extends over, and marks it as in use.
func (c *checker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.meta.pages {
		return nil, fmt.Errorf("there is no page %d", id)
	}
	b := make([]byte, c.meta.pageSize)
	at := int64(id * c.meta.pageSize) //nolint:gosec // G115: within the file
	if _, err := c.f.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || more >= c.meta.pages-id {
		return nil, fmt.Errorf("page %d is not what it should be", id)
	}
	for i := id; i <= id+more; i++ {
		if c.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		c.seen[i] = true
	}
	if more > 0 {
		b = make([]byte, (1+more)*c.meta.pageSize)
		if _, err := c.f.ReadAt(b, at); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return b, nil
}

// freelist checks that the pages that are free are there, once each, and not in use.
func (c *checker) freelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	b, err := c.page(c.meta.freelist)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	count, ids := uint64(order.Uint16(b[10:])), b[headerSize:]
	if count == bigFreelist {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if order.Uint16(b[8:]) != flagFreelist || count > uint64(len(ids)/8) {
		return errors.New("the list of free pages is not what it should be")
	}
	for ; count > 0; count, ids = count-1, ids[8:] {
		id := order.Uint64(ids)
		if id < 2 || id >= c.meta.pages || c.seen[id] {
			return fmt.Errorf("page %d is both free and in use", id)
		}
		c.seen[id] = true
	}
	return nil
}
