package jetstream

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
)

// As long as its index is good the server believes the number in a record. To one that
// is too high it fills the way in memory: a flipped bit costs gigabytes, and the process.
// And it does not find again what comes behind it, not even what it writes later.
// Without the index it reads all records with their checksums.

const (
	blockFiles = storeName + "/jetstream/*/streams/*/msgs/*.blk"
	indexName  = "index.db"
	headSize   = 4 + 8                // a record begins with its length and its number
	recordSize = 4 + 18 + 8           // at least: the rest of its head, and its checksum
	maxJump    = 8 << 20 / recordSize // no block has room for more records

	hasHeaders = 1 << 31 // in a length
	isErased   = 1 << 63 // in a number
	isMark     = 1 << 62 // in the number of a record that was deleted, which may lie anywhere
)

// checkBlocks removes the index of each stream that has a record whose number cannot
// be true. It is called before the server starts.
func checkBlocks(ctx context.Context, root *os.Root, log *slog.Logger) error {
	files, err := fs.Glob(root.FS(), blockFiles)
	if err != nil {
		return fmt.Errorf("jetstream: looking at blocks: %w", err)
	}
	for _, file := range files {
		if ctx.Err() != nil {
			return fmt.Errorf("jetstream: looking at blocks: %w", ctx.Err())
		}
		if !blockMisleads(root, file) {
			continue
		}
		msgs := path.Dir(file)
		log.Error("the queue is damaged: a record has a number that cannot be true", "stream", path.Base(path.Dir(msgs)))
		if err := root.Remove(path.Join(msgs, indexName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("jetstream: removing an index: %w", err)
		}
	}
	return nil
}

// blockMisleads leaves what cannot be read to the server.
func blockMisleads(root *os.Root, file string) bool {
	f, err := root.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return numbersMislead(f)
}

// numbersMislead tells whether a number is higher than the last one of its block, or
// higher than there can be. It ends at what is no whole record: the server sees that
// by itself.
func numbersMislead(block io.Reader) bool {
	r := bufio.NewReaderSize(block, 64<<10)
	var last, highest uint64
	for {
		head, err := r.Peek(headSize)
		if err != nil {
			break
		}
		length := binary.LittleEndian.Uint32(head) &^ hasHeaders
		number := binary.LittleEndian.Uint64(head[4:])
		if length < recordSize {
			break
		}
		if _, err := r.Discard(int(length)); err != nil {
			break
		}
		if number&isMark != 0 {
			continue
		}
		number &^= isErased
		if last > 0 && number > last+maxJump {
			return true
		}
		last, highest = number, max(highest, number)
	}
	return highest > last
}
