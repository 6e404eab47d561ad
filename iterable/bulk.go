package iterable

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/iteramp/iteramp/internal/rest"
)

// Bounds of a bulk request. Iterable states 4 MB for bulkUpdate and no count;
// both here stay below what its own engineers and other clients send.
const (
	maxRecords = 1000
	maxBytes   = 3_500_000
)

// maxSuspects ends the search for bad records where every one is refused alone and
// none was accepted: then it is not the records.
const maxSuspects = 10

// BulkResult is what a bulk call says of its data besides the records' fates.
type BulkResult struct {
	// CreatedFields are names of fields that the call added to the project.
	CreatedFields []string
	// FilteredOutFields are names of fields that Iterable dropped, because the
	// project does not take new ones or the call said not to create them. The
	// records count as accepted all the same.
	FilteredOutFields []string
}

func (r *BulkResult) add(reply *bulkReply) {
	r.CreatedFields = union(r.CreatedFields, reply.CreatedFields)
	r.FilteredOutFields = union(r.FilteredOutFields, reply.FilteredOutFields)
}

func union(a, b []string) []string {
	a = append(a, b...)
	slices.Sort(a)
	return slices.Compact(a)
}

// record is one element of a bulk call.
type record struct {
	email, userID string
	name          string // of an event
	id            string // of an event: with one, a repeat is harmless
	body          any
}

// bulk is one bulk call: its records are cut into requests, sent one after another,
// and each request's answer is turned into a fate for each record.
type bulk struct {
	core *core
	path string
	// request puts a request around encoded records.
	request func(records []json.RawMessage) any
	// idempotent says that a repeat of these records is harmless.
	idempotent func(part []item) bool

	items    []item
	result   BulkResult
	accepted int
	unnamed  int
	rejected []ItemError
	suspects int   // refused alone while nothing had been accepted
	stopped  error // a fault that is not the records'
}

// item is a record on its way.
type item struct {
	index int
	record
	json json.RawMessage
}

func always([]item) bool { return true }

var errNoIdentifier = errors.New("email and userId are missing")

// run sends all records and says what became of them.
func (b *bulk) run(ctx context.Context, records []record) (BulkResult, error) {
	if b.core == nil {
		return BulkResult{}, errNoClient
	}
	b.encode(records)
	for rest := b.items; len(rest) > 0; {
		n := fit(rest)
		b.settle(ctx, rest[:n])
		rest = rest[n:]
	}
	if len(b.rejected) == 0 && b.unnamed == 0 {
		return b.result, nil
	}
	slices.SortFunc(b.rejected, func(x, y ItemError) int { return cmp.Compare(x.Index, y.Index) })
	return b.result, &BatchError{Accepted: b.accepted, Rejected: b.rejected, Unnamed: b.unnamed}
}

func (b *bulk) encode(records []record) {
	for i, r := range records {
		if r.email == "" && r.userID == "" {
			b.reject(i, ReasonInvalidID, errNoIdentifier)
			continue
		}
		body, err := encode(r.body)
		if err != nil {
			b.reject(i, ReasonInvalidData, err)
			continue
		}
		b.items = append(b.items, item{i, r, body})
	}
}

func encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// fit is how many of the items go into one request.
func fit(items []item) int {
	size := 0
	for n, it := range items {
		size += len(it.json) + 1
		if n == maxRecords || n > 0 && size > maxBytes {
			return n
		}
	}
	return len(items)
}

func (b *bulk) reject(index int, reason Reason, err error) {
	b.rejected = append(b.rejected, ItemError{index, reason, err})
}

func (b *bulk) rejectAll(part []item, reason Reason, err error) {
	for _, it := range part {
		b.reject(it.index, reason, err)
	}
}

// settle sends the part and, where it is refused for one of its records that
// nobody names, its halves.
func (b *bulk) settle(ctx context.Context, part []item) {
	if b.stopped != nil {
		b.rejectAll(part, ReasonUnsent, b.stopped)
		return
	}
	reply, err := b.send(ctx, part)
	if err == nil {
		b.accept(part, reply)
		return
	}
	reason := blame(err)
	switch {
	case reason == "":
		b.stopped = err
		b.rejectAll(part, whole(err), err)
	case len(part) > 1:
		half := len(part) / 2
		b.settle(ctx, part[:half])
		b.settle(ctx, part[half:])
	default:
		b.reject(part[0].index, reason, err)
		if b.suspects++; b.suspects >= maxSuspects && b.accepted == 0 {
			b.stopped = err
		}
	}
}

// blame says which fault of a single record may be behind the refusal of a whole
// request, "" if none is.
func blame(err error) Reason {
	refusal, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return ""
	case refusal.StatusCode == http.StatusRequestEntityTooLarge:
		return ReasonTooLarge
	case refusal.StatusCode != http.StatusBadRequest && refusal.StatusCode != http.StatusConflict:
		return ""
	}
	if reason, known := faults[refusal.Code]; known || refusal.StatusCode == http.StatusBadRequest {
		return reason
	}
	return ReasonConflict
}

// faults are the codes by which Iterable refuses a whole request for one record.
var faults = map[Code]Reason{
	CodeBatchTooLarge:                ReasonTooLarge,
	CodeForgottenUserError:           ReasonForgotten,
	CodeInvalidEmailAddressError:     ReasonInvalidID,
	CodeInvalidUserIDError:           ReasonInvalidID,
	CodeBadJSONBody:                  ReasonInvalidData,
	CodeRequestFieldsTypesMismatched: ReasonInvalidData,
	CodeUniqueFieldsLimitExceeded:    ReasonInvalidData,
	CodeEmailAlreadyExists:           ReasonConflict,
	CodeUserIDAlreadyExists:          ReasonConflict,
	CodeUnknownEmailError:            ReasonNotFound,
	CodeUnknownUserIDError:           ReasonNotFound,
}

// whole is the reason of records whose request failed for no fault of theirs.
func whole(err error) Reason {
	if errors.Is(err, ErrAmbiguous) {
		return ReasonAmbiguous
	}
	if _, answered := errors.AsType[*Error](err); answered {
		return ReasonRefused
	}
	return ReasonUnsent
}

func (b *bulk) send(ctx context.Context, part []item) (*bulkReply, error) {
	records := make([]json.RawMessage, len(part))
	for i, it := range part {
		records[i] = it.json
	}
	resp, err := b.core.send(ctx, rest.Call{
		Method: http.MethodPost, Path: b.path, Body: b.request(records),
		Idempotent: b.idempotent(part),
		Private:    func() []string { return private(part) },
	})
	if err != nil {
		return nil, err
	}
	reply := &bulkReply{op: resp.Op}
	if json.Unmarshal(resp.Body, reply) != nil || reply.SuccessCount == nil || reply.FailCount == nil {
		return nil, newError(resp, otherShape)
	}
	return reply, nil
}

// private lists the identifiers of a request, which no error may repeat.
func private(part []item) []string {
	list := make([]string, 0, len(part))
	for _, it := range part {
		for _, s := range []string{it.email, it.userID, it.id} {
			if s != "" {
				list = append(list, s)
			}
		}
	}
	return list
}

// accept reads the fate of each record off a reply. Records it names are
// rejected. Of the others as many are accepted as both its counts allow: a failure
// that it counts and does not name is one all the same.
func (b *bulk) accept(part []item, reply *bulkReply) {
	b.result.add(reply)
	named := reply.named(part)
	failed := min(max(len(named), *reply.FailCount), len(part))
	accepted := max(0, min(*reply.SuccessCount, len(part)-failed))
	b.accepted += accepted
	b.unnamed += len(part) - len(named) - accepted
	for i, it := range part {
		if v, ok := named[i]; ok {
			b.reject(it.index, v.reason, v.err)
		}
	}
}
