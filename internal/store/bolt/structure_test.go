package bolt_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/store/bolt"
)

var pageSize = os.Getpagesize() // what bbolt takes

// pages calls change with every page of a file that has these flags and holds a text.
func pages(file []byte, flags uint16, holding string, change func(page []byte)) {
	for at := 2 * pageSize; at+pageSize <= len(file); at += pageSize {
		page := file[at : at+pageSize]
		if binary.NativeEndian.Uint16(page[8:]) == flags && bytes.Contains(page, []byte(holding)) {
			change(page)
		}
	}
}

const branch, leaf, free = 1, 2, 0x10

// rootPage is the page that all buckets are found from. Older ones may lie in the file, too.
func rootPage(file []byte) []byte {
	meta := file[16:]
	if newer := file[pageSize+16:]; binary.NativeEndian.Uint64(newer[48:]) > binary.NativeEndian.Uint64(meta[48:]) {
		meta = newer
	}
	at := int(binary.NativeEndian.Uint64(meta[16:])) * pageSize
	return file[at : at+pageSize]
}

// rootOf finds where a bucket's root is noted: right behind its name.
func rootOf(page []byte, bucket string) []byte {
	_, behind, _ := bytes.Cut(page, []byte(bucket))
	return behind[:8]
}

// Damage that more than a byte is needed for, such as a page written over another's.
func TestWrongStructure(t *testing.T) {
	const record = "\x00REG"
	tests := []struct {
		name, want string
		change     func(file []byte)
	}{
		{"two buckets with one root", "is used twice", func(file []byte) {
			pages(file, leaf, "store/records", func(page []byte) { copy(rootOf(page, "store/due"), rootOf(page, "store/records")) })
		}},
		{"a bucket below itself", "is used twice", func(file []byte) {
			pages(file, branch, record, func(page []byte) { copy(page[16+8:], page[:8]) })
		}},
		{"a page in use that is free", "is both free and in use", func(file []byte) {
			root := rootOf(rootPage(file), "store/records")
			pages(file, free, "", func(page []byte) { copy(page[16:], root) })
		}},
		{"a free page twice", "is both free and in use", func(file []byte) {
			pages(file, free, "", func(page []byte) { copy(page[16:], page[24:32]) })
		}},
		{"a leaf without entries", "not where they should be", func(file []byte) {
			pages(file, leaf, record, func(page []byte) { binary.NativeEndian.PutUint16(page[10:], 0) })
		}},
		{"a branch without entries", "not where they should be", func(file []byte) {
			pages(file, branch, record, func(page []byte) { binary.NativeEndian.PutUint16(page[10:], 0) })
		}},
		{"a branch with the keys of others", "not in order", func(file []byte) {
			pages(file, branch, record, func(page []byte) { copy(page[bytes.LastIndex(page, []byte("D#")):], "E#") })
		}},
		{"an entry of no kind", "not where they should be", func(file []byte) {
			pages(file, leaf, record, func(page []byte) { page[16] = 2 })
		}},
		{"a record that is a bucket", "not what was written", func(file []byte) {
			pages(file, leaf, record, func(page []byte) { page[16] = 1 })
		}},
		{"a small bucket without entries", "not where they should be", func(file []byte) {
			pages(file, leaf, "inner", func(page []byte) { copy(page[bytes.Index(page, []byte("inner"))+len("inner")+16+10:], "\x00\x00") })
		}},
		{"no free list", "list of free pages", func(file []byte) {
			pages(file, free, "", func(page []byte) { page[8] = leaf })
		}},
		{"a long free list", "list of free pages", func(file []byte) {
			pages(file, free, "", func(page []byte) { copy(page[10:], "\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f") })
		}},
		{"more pages than bytes", "it is cut off", func(file []byte) { setMeta(file, 40, 1<<40) }},
		{"too small pages", "its page size is 16", func(file []byte) { setMeta(file, 8, 16) }},
		{"another version of bbolt", "its bbolt version is 3", func(file []byte) {
			file[16+4] = 3
			resumMeta(file, 0)
		}},
		{"a root outside", "there is no page 1", func(file []byte) { setMeta(file, 16, 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			text := bytes.Clone(sample())
			tt.change(text)
			if bytes.Equal(text, sample()) {
				t.Fatal("the test changed nothing")
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Options{})
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), bolt.ErrDamaged.Error()) {
				t.Errorf("Open() = %v, want ErrDamaged with %q", err, tt.want)
			}
			wantBytes(t, path, text)
		})
	}
}

// setMeta changes a field in both pages that say where everything is.
func setMeta(file []byte, field int, value uint64) {
	for _, at := range []int{0, pageSize} {
		if field == 8 {
			binary.NativeEndian.PutUint32(file[at+16+field:], uint32(value))
		} else {
			binary.NativeEndian.PutUint64(file[at+16+field:], value)
		}
		resumMeta(file, at)
	}
}
