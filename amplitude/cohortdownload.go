package amplitude

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// CohortRequestOptions says what a cohort's file holds.
type CohortRequestOptions struct {
	// Properties adds the users' properties. Large cohorts may fail with them.
	Properties bool
	// PropertyKeys are the properties to add, none means all with Properties.
	PropertyKeys []string
}

// CohortRequest is a download under way.
type CohortRequest struct {
	RequestID string // good for 7 days, from any program
	CohortID  string
}

// Request asks for the members of a cohort. Each time it costs one of the 500
// downloads of a month: after a 429, or if it never left, it is repeated, but not
// after it was cut off, which is [ErrAmbiguous]. Keep the RequestID to go on with
// after a crash.
//
// Amplitude answers 60 requests in 10 minutes: a Client makes 10 at once, then one
// every 12 seconds, and four at a time. A month that is used up is
// [ErrRateLimited].
func (s *CohortsService) Request(ctx context.Context, cohortID string, opts CohortRequestOptions) (CohortRequest, error) {
	if s.core == nil {
		return CohortRequest{}, errNoClient
	}
	var query struct {
		Props    int      `url:"props,omitempty"`
		PropKeys []string `url:"propKeys,omitempty"`
	}
	if opts.Properties || len(opts.PropertyKeys) > 0 {
		query.Props, query.PropKeys = 1, opts.PropertyKeys
	}
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: pathCohortRequest, Args: []string{cohortID}, Query: query,
		Status: []int{http.StatusOK, http.StatusAccepted},
		Slots:  []rest.Slots{s.core.requests, s.core.downloads},
	})
	if err != nil {
		return CohortRequest{}, err
	}
	var body downloadStatus
	if !decode(resp.Body, &body) || body.RequestID == "" || body.CohortID != cohortID {
		return CohortRequest{}, newError(resp, otherShape)
	}
	return CohortRequest{body.RequestID, body.CohortID}, nil
}

type downloadStatus struct {
	RequestID string `json:"request_id"`
	CohortID  string `json:"cohort_id"`
	Status    string `json:"async_status"`
}

// CohortRequestStatus is how far a download is.
type CohortRequestStatus struct {
	RequestID string
	CohortID  string
	Done      bool // the file is there
}

// Status returns how far a download is. One that Amplitude has given up, or says
// something unknown of, is [ErrCohortFailed].
func (s *CohortsService) Status(ctx context.Context, requestID string) (CohortRequestStatus, error) {
	if s.core == nil {
		return CohortRequestStatus{}, errNoClient
	}
	resp, err := s.core.send(ctx, rest.Call{
		Method: "GET", Path: pathCohortStatus, Args: []string{requestID}, Idempotent: true,
		Status: []int{http.StatusOK, http.StatusAccepted},
		Slots:  []rest.Slots{s.core.downloads},
	})
	if err != nil {
		return CohortRequestStatus{}, err
	}
	var body downloadStatus
	if !decode(resp.Body, &body) || body.RequestID != requestID || body.Status == "" {
		return CohortRequestStatus{}, newError(resp, otherShape)
	}
	status := CohortRequestStatus{RequestID: body.RequestID, CohortID: body.CohortID}
	switch body.Status {
	case "JOB COMPLETED":
		status.Done = true
	case "JOB INPROGRESS":
	default:
		return status, fmt.Errorf("%w: %s", ErrCohortFailed, resp.Clean(body.Status))
	}
	return status, nil
}

// CohortWaitOptions says how to wait for a cohort's file.
type CohortWaitOptions struct {
	// Timeout bounds the wait, zero means an hour.
	Timeout time.Duration
	// OnPoll is called each time the file is not there yet, with the time waited
	// so far.
	OnPoll func(waited time.Duration)
}

// Polls begin 2 seconds apart and slow down to 10: they count among the five
// requests that Amplitude takes at a time.
const (
	firstPoll   = 2 * time.Second
	slowestPoll = 10 * time.Second
)

// Wait returns when the file of a download is there. If that takes longer than
// ctx or the Timeout allow, it is [context.DeadlineExceeded]: the download goes on
// and can be waited for again.
func (s *CohortsService) Wait(ctx context.Context, requestID string, opts CohortWaitOptions) error {
	start := time.Now()
	ctx, stop := context.WithTimeout(ctx, cmp.Or(opts.Timeout, time.Hour))
	defer stop()
	for pause := firstPoll; ; pause = min(pause*3/2, slowestPoll) {
		status, err := s.Status(ctx, requestID)
		if err != nil || status.Done {
			return err
		}
		if opts.OnPoll != nil {
			opts.OnPoll(time.Since(start))
		}
		if !wait(ctx, pause) {
			return fmt.Errorf("amplitude: the cohort's file is not there yet: %w", cmp.Or(ctx.Err(), context.DeadlineExceeded))
		}
	}
}

// Download ranges over the members of a cohort as they arrive, from the file of a
// download that is done. It can be had again for 7 days, and then is
// [ErrNotFound], as is one that is not done.
//
// A file that was cut off ends in [ErrCutOff], one that is not what it should be in
// [ErrCohortFile], never in fewer members. The file comes from Amplitude or over
// one https link to its storage, which gets no credentials; an expired link is
// asked for anew, as often as [Config.MaxAttempts] allows. Only ctx bounds it.
func (s *CohortsService) Download(ctx context.Context, requestID string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		if err := s.download(ctx, requestID, yield); err != nil {
			yield(Member{}, err)
		}
	}
}

// CohortMembersOptions says what to read of a cohort's members.
type CohortMembersOptions struct {
	CohortRequestOptions
	Wait CohortWaitOptions
}

// Members is Request, Wait and Download in one, with the errors of each. Each
// range over it costs one of the 500 downloads of a month.
func (s *CohortsService) Members(ctx context.Context, cohortID string, opts CohortMembersOptions) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		req, err := s.Request(ctx, cohortID, opts.CohortRequestOptions)
		if err == nil {
			err = s.Wait(ctx, req.RequestID, opts.Wait)
		}
		if err == nil {
			err = s.download(ctx, req.RequestID, yield)
		}
		if err != nil {
			yield(Member{}, err)
		}
	}
}

// readAhead is how much of a file that Amplitude itself serves is read before the
// first member: a small one then occupies Amplitude no longer than it must,
// however slow the caller's loop is.
const readAhead = 1 << 20

func (s *CohortsService) download(ctx context.Context, requestID string, yield func(Member, error) bool) error {
	stream, linked, err := s.openFile(ctx, requestID)
	if err != nil {
		return err
	}
	defer stream.Close()
	body := io.Reader(stream)
	if !linked {
		ahead := bufio.NewReaderSize(stream, readAhead)
		_, _ = ahead.Peek(readAhead) // its error comes again with the bytes
		body = ahead
	}
	return eachMember(body, yield)
}

// pathLink stands for the address of a file in Amplitude's storage.
const pathLink = "{Location}"

// openFile gets the file, over the link if that is what Amplitude answers.
func (s *CohortsService) openFile(ctx context.Context, requestID string) (stream *rest.Stream, linked bool, err error) {
	if s.core == nil {
		return nil, false, errNoClient
	}
	call, err := s.core.call(rest.Call{
		Method: "GET", Path: pathCohortFile, Args: []string{requestID}, Idempotent: true,
		Status: []int{http.StatusOK, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect},
		Slots:  []rest.Slots{s.core.downloads},
	})
	if err != nil {
		return nil, false, err
	}
	for n := 1; ; n++ {
		stream, err := s.core.rest.Stream(ctx, call)
		if err != nil || stream.StatusCode == http.StatusOK {
			return stream, false, err
		}
		stream, err = s.follow(ctx, call, stream)
		if !expired(err) || n >= s.core.rest.MaxAttempts {
			return stream, true, err
		}
	}
}

// follow makes the one hop of a download.
func (s *CohortsService) follow(ctx context.Context, call rest.Call, answer *rest.Stream) (*rest.Stream, error) {
	defer answer.Close()
	link := answer.Header.Get("Location")
	if err := rest.CheckLink(link, call.Base); err != nil {
		return nil, &Error{StatusCode: answer.StatusCode, Op: call.Op(), Message: err.Error()}
	}
	answer.Close() // before the file, which may take long
	return s.core.rest.Stream(ctx, rest.Call{Method: "GET", Base: call.Base, Path: pathLink, Link: link, Idempotent: true})
}

// expired is how the storage refuses a link that is older than a minute.
func expired(err error) bool {
	refused, ok := errors.AsType[*Error](err)
	return ok && refused.StatusCode == http.StatusForbidden && refused.Op == "GET "+pathLink
}
