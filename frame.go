package iteramp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/iteramp/iteramp/iterable/webhook"
)

// A frame is a version byte and records, each
//
//	8 bytes   when the webhook was received, nanoseconds since 1970, big endian
//	1 byte    the index of the secret it came with
//	uvarint   the length of
//	bytes     the webhook
//
// Checksums are the store's.
const (
	frameVersion = 1
	maxFrame     = 512 << 10 // bytes of one that holds more than one webhook
	maxInFrame   = 500       // webhooks
	recordHead   = 8 + 1 + binary.MaxVarintLen32
)

// record is one webhook of a frame.
type record struct {
	received time.Time
	secret   int
	body     []byte
}

// appendRecord adds a webhook to a frame; an empty one is begun.
func appendRecord(frame []byte, r record) []byte {
	if len(frame) == 0 {
		frame = append(frame, frameVersion)
	}
	frame = binary.BigEndian.AppendUint64(frame, uint64(r.received.UnixNano()))
	frame = append(frame, byte(min(r.secret, 255)))
	frame = binary.AppendUvarint(frame, uint64(len(r.body)))
	return append(frame, r.body...)
}

var errFrame = errors.New("iteramp: the frame cannot be taken apart")

// readFrame takes a frame apart. The records share its bytes.
func readFrame(frame []byte) ([]record, error) {
	if len(frame) == 0 || frame[0] != frameVersion {
		return nil, errFrame
	}
	var records []record
	for rest := frame[1:]; len(rest) > 0; {
		if len(rest) < 9 {
			return nil, errFrame
		}
		r := record{received: time.Unix(0, int64(binary.BigEndian.Uint64(rest))), secret: int(rest[8])}
		size, n := binary.Uvarint(rest[9:])
		if n <= 0 || size > uint64(len(rest)-9-n) {
			return nil, errFrame
		}
		from := 9 + n
		to := from + int(size)
		r.body, rest = rest[from:to:to], rest[to:]
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, errFrame
	}
	return records, nil
}

// hashID is the id of a letter that has no insert_id.
func hashID(kind string, b []byte) string {
	sum := sha256.Sum256(b)
	return kind + "-" + hex.EncodeToString(sum[:20])
}

// isOf tells whether a letter holds a webhook of a user.
func (l Letter) isOf(id string) (mine, readable bool) {
	bodies := [][]byte{l.Webhook}
	if l.Reason == ReasonFrame {
		records, err := readFrame(l.Webhook)
		if err != nil {
			return false, false
		}
		bodies = bodies[:0]
		for _, r := range records {
			bodies = append(bodies, r.body)
		}
	}
	readable = true
	for _, body := range bodies {
		e, err := webhook.Parse(body)
		if err != nil {
			readable = false
			continue
		}
		mine = mine || e.UserID == id || strings.EqualFold(e.Email, id)
	}
	return mine, readable
}
