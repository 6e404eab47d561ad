package iterable

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/iteramp/iteramp/internal/rest"
)

// ListsService reads and writes static lists.
//
// A write that was accepted can take up to a minute to show, and a list that was
// just created refuses members for some seconds ([ErrNotFound]).
//
// Reference: https://api.iterable.com/api/docs#lists
type ListsService struct{ core *core }

// ListType is the kind of a list. The set is open.
type ListType string

// The kinds of lists.
const (
	ListTypeStandard    ListType = "Standard" // static: the only kind this package writes
	ListTypeDynamic     ListType = "Dynamic"
	ListTypeSuppression ListType = "Suppression"
	ListTypeInternal    ListType = "Internal"
)

// List is a list of users. Names are not unique.
type List struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitzero"`
	Type        ListType  `json:"listType"`
	CreatedAt   time.Time `json:"createdAt"`
	// GlobalSuppression is set for lists of type Suppression only.
	GlobalSuppression *bool `json:"isGlobalSuppressionEnabled,omitzero"`
}

// UnmarshalJSON reads the list as Iterable sends it.
func (l *List) UnmarshalJSON(b []byte) error {
	type fields List
	wire := struct {
		*fields
		CreatedAt timestamp `json:"createdAt"`
	}{fields: (*fields)(l)}
	err := json.Unmarshal(b, &wire)
	l.CreatedAt = time.Time(wire.CreatedAt)
	return err
}

// List returns all lists of the project. The API neither pages nor filters.
//
// Reference: https://api.iterable.com/api/docs#lists_getLists
func (s *ListsService) List(ctx context.Context) ([]List, error) {
	var lists []List
	err := s.core.field(ctx, rest.Call{
		Method: "GET", Path: "/api/lists", Idempotent: true, MaxBody: 64 << 20,
	}, "lists", &lists)
	return lists, err
}

// ListCreateRequest is a new static list.
type ListCreateRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"` // the web app shows 140 characters
}

// Create makes a static list and returns its id. A second call makes a second
// list of the same name, so it is not repeated after it was cut off.
//
// Reference: https://api.iterable.com/api/docs#lists_create
func (s *ListsService) Create(ctx context.Context, req ListCreateRequest) (int64, error) {
	var listID int64
	err := s.core.field(ctx, rest.Call{Method: "POST", Path: "/api/lists", Body: req}, "listId", &listID)
	return listID, err
}

// Delete deletes a list, not its members' profiles. A list in use is an
// [ErrConflict], one that does not exist an [Error] with code BadParams.
//
// Reference: https://api.iterable.com/api/docs#lists_delete
func (s *ListsService) Delete(ctx context.Context, listID int64) error {
	return s.core.write(ctx, rest.Call{
		Method: "DELETE", Path: "/api/lists/{listId}", Args: []string{id(listID)}, Idempotent: true,
	})
}

// Subscriber is a user to put on a list, with what to write to their profile.
type Subscriber = UserUpdate

// ListSubscribeRequest puts users on a list.
type ListSubscribeRequest struct {
	ListID      int64
	Subscribers []Subscriber // any number
	// UpdateExistingUsersOnly leaves out users whom Iterable does not know,
	// without saying who they were. Without it they are created. It acts in userId
	// based and hybrid projects.
	UpdateExistingUsersOnly bool
}

// Subscribe puts users on a static list and writes their DataFields. It sends at
// most 1,000 users and 3.5 MB in a request, one request at a time for a list, and
// is safe to repeat.
//
// The error is nil if all were accepted, else a [*BatchError] with those who were
// not.
//
// Reference: https://api.iterable.com/api/docs#lists_subscribe
func (s *ListsService) Subscribe(ctx context.Context, req ListSubscribeRequest) (BulkResult, error) {
	records := make([]record, len(req.Subscribers))
	for i, u := range req.Subscribers {
		records[i] = u.record()
	}
	return s.bulk(ctx, req.ListID, records, "/api/lists/subscribe", func(subscribers []json.RawMessage) any {
		return struct {
			ListID                  int64             `json:"listId"`
			Subscribers             []json.RawMessage `json:"subscribers"`
			UpdateExistingUsersOnly bool              `json:"updateExistingUsersOnly"`
		}{req.ListID, subscribers, req.UpdateExistingUsersOnly}
	})
}

// Unsubscriber is a user to take off a list: one of the two.
type Unsubscriber struct {
	Email  string `json:"email,omitzero"`
	UserID string `json:"userId,omitzero"`
}

// ListUnsubscribeRequest takes users off a list.
type ListUnsubscribeRequest struct {
	ListID      int64
	Subscribers []Unsubscriber // any number
	CampaignID  int64          // the campaign to attribute it to, if any
	// ChannelUnsubscribe also unsubscribes each user from the list's whole
	// channel, which is rarely meant.
	ChannelUnsubscribe bool
}

// Unsubscribe takes users off a static list. It sends at most 1,000 users in a
// request, one request at a time for a list, and is safe to repeat.
//
// The error is nil if all were accepted, else a [*BatchError]. There
// [ReasonNotFound] is a user Iterable does not know: not on the list either.
//
// Reference: https://api.iterable.com/api/docs#lists_unsubscribe
func (s *ListsService) Unsubscribe(ctx context.Context, req ListUnsubscribeRequest) (BulkResult, error) {
	records := make([]record, len(req.Subscribers))
	for i, u := range req.Subscribers {
		records[i] = record{email: u.Email, userID: u.UserID, body: u}
	}
	return s.bulk(ctx, req.ListID, records, "/api/lists/unsubscribe", func(subscribers []json.RawMessage) any {
		return struct {
			ListID             int64             `json:"listId"`
			Subscribers        []json.RawMessage `json:"subscribers"`
			CampaignID         int64             `json:"campaignId,omitzero"`
			ChannelUnsubscribe bool              `json:"channelUnsubscribe"` // said always: Iterable's pages differ on its default
		}{req.ListID, subscribers, req.CampaignID, req.ChannelUnsubscribe}
	})
}

func (s *ListsService) bulk(ctx context.Context, listID int64, records []record, path string, request func([]json.RawMessage) any) (BulkResult, error) {
	if s.core == nil {
		return BulkResult{}, errNoClient
	}
	leave, err := s.core.lists.Enter(ctx, listID)
	if err != nil {
		return BulkResult{}, err
	}
	defer leave()
	b := bulk{core: s.core, path: path, request: request, idempotent: always}
	return b.run(ctx, records)
}

// Size is the number of a list's members, of which Iterable answers 5 requests a
// minute.
//
// Reference: https://api.iterable.com/api/docs#lists_getListCount
func (s *ListsService) Size(ctx context.Context, listID int64) (int, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: "/api/lists/{listId}/size", Args: []string{id(listID)}, Idempotent: true,
	})
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(resp.Body)))
	if err != nil || n < 0 {
		return 0, newError(resp, "the body is not a number")
	}
	return n, nil
}

// ListMembersOptions says what stands for a member.
type ListMembersOptions struct {
	// PreferUserID gives the userId of those who have both, in hybrid projects.
	// Without it, and in e-mail based projects always, it is the e-mail address.
	PreferUserID bool
}

type membersQuery struct {
	ListID       int64 `url:"listId"`
	PreferUserID bool  `url:"preferUserId"`
	Size         int   `url:"size,omitempty"`
}

// Members ranges over the members of a list as they arrive, in no order. Each is an
// e-mail address or a userId; nothing tells which. A list that was cut short ends
// in an error, as does the context's end; before that, it is as long as Iterable
// makes it. Iterable answers 5 requests a minute, lists of more than about 200,000
// members take minutes, and some never end: keep a record of your own of what you
// put on a list rather than read it back.
//
// Reference: https://api.iterable.com/api/docs#lists_getUsers
func (s *ListsService) Members(ctx context.Context, listID int64, opts ListMembersOptions) iter.Seq2[string, error] {
	return s.lines(ctx, "/api/lists/getUsers", membersQuery{ListID: listID, PreferUserID: opts.PreferUserID})
}

// ListPreviewOptions says how many members are drawn and what stands for them.
type ListPreviewOptions struct {
	PreferUserID bool // as in [ListMembersOptions]
	Size         int  // zero means 1,000; at most 5,000
}

// Preview ranges over some members of a list, drawn anew for each call. Iterable
// answers 5 requests a minute.
//
// Reference: https://api.iterable.com/api/docs#lists_getUsersPreview
func (s *ListsService) Preview(ctx context.Context, listID int64, opts ListPreviewOptions) iter.Seq2[string, error] {
	return s.lines(ctx, "/api/lists/previewUsers", membersQuery{listID, opts.PreferUserID, opts.Size})
}

func (s *ListsService) lines(ctx context.Context, path string, query membersQuery) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.core == nil {
			yield("", errNoClient)
			return
		}
		stream, err := s.core.rest.Stream(ctx, s.core.complete(rest.Call{
			Method: "GET", Path: path, Query: query, Idempotent: true,
		}))
		if err != nil {
			yield("", err)
			return
		}
		defer stream.Close()
		if err := eachLine(stream, func(line string) bool { return yield(line, nil) }); err != nil {
			yield("", err)
		}
	}
}

const maxLine = 64 << 10

var (
	errLongLine = errors.New("a line is longer than 64 KiB")
	errWebPage  = errors.New(webPage)
	errNotText  = errors.New("a line is not UTF-8")
)

// html is how a page begins, which may come as plain text. An id may begin with an
// angle bracket.
var html = regexp.MustCompile(`(?i)^\s*<(!doctype|html)\b`)

// eachLine passes on the lines of a stream that are not empty, until the stream or
// the interest ends.
func eachLine(stream *rest.Stream, use func(string) bool) error {
	if strings.Contains(stream.Header.Get("Content-Type"), "html") {
		return stream.Failed(errWebPage)
	}
	r := bufio.NewReaderSize(stream, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return stream.Failed(errLongLine)
		}
		if err != nil && err != io.EOF {
			return err // not the line before it: it may be cut
		}
		line = bytes.TrimRight(line, "\r\n")
		if html.Match(line) {
			return stream.Failed(errWebPage)
		}
		if !utf8.Valid(line) { // a body that a proxy has compressed would pass for ids
			return stream.Failed(errNotText)
		}
		if len(line) > 0 && !use(string(line)) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
	}
}
