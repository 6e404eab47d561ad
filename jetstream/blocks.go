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

// As long as its index is good the server believes the number in a record, and fills
// the way there in memory: one flipped bit costs gigabytes, and the process. Without
// the index it reads all records with their checksums.

const (
	blockFiles = storeName + "/jetstream/*/streams/*/msgs/*.blk"
	indexName  = "index.db"
	maxJump    = 1 << 20 // more records than a block of 8 MiB has room for
	headSize   = 4 + 8   // a record begins with its length and its number

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
		if !blockJumps(root, file) {
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

// blockJumps leaves what cannot be read, and what is no record, to the server.
func blockJumps(root *os.Root, file string) bool {
	f, err := root.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return numbersJump(f)
}

func numbersJump(block io.Reader) bool {
	r := bufio.NewReaderSize(block, 64<<10)
	for last := uint64(0); ; {
		head, err := r.Peek(headSize)
		if err != nil {
			return false
		}
		length := binary.LittleEndian.Uint32(head) &^ hasHeaders
		number := binary.LittleEndian.Uint64(head[4:])
		if number&isMark == 0 {
			number &^= isErased
			if last > 0 && number > last+maxJump {
				return true
			}
			last = max(last, number)
		}
		if _, err := r.Discard(int(max(length, headSize))); err != nil {
			return false
		}
	}
}
