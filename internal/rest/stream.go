package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Stream is a success whose body is read as it comes, bounded by the context of
// its call alone. It must be closed.
type Stream struct {
	StatusCode int
	Header     http.Header

	client *Client
	req    *request
	ctx    context.Context
	stop   context.CancelCauseFunc
	body   io.ReadCloser
	leave  func()
	err    error // that of the end
}

// Stream makes the call and repeats it as [Client.Send] does, up to the first
// byte of a success. Any other answer is an error.
func (c *Client) Stream(ctx context.Context, call Call) (*Stream, error) {
	r, err := c.prepare(ctx, call)
	if err != nil {
		return nil, err
	}
	r.stream = true
	resp, err := c.send(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case resp.stream == nil:
		return nil, c.Refused(resp, "")
	}
	return resp.stream, nil
}

var errNoEnd = errors.New("the answer says neither its length nor where it ends, so a part of it would pass for all")

func newStream(ctx context.Context, stop context.CancelCauseFunc, c *Client, r *request, answer *http.Response) *Stream {
	s := &Stream{StatusCode: answer.StatusCode, Header: answer.Header, client: c, req: r, ctx: ctx, stop: stop, body: answer.Body}
	// HTTP/2 marks the end of a body; HTTP/1 does by its length or by chunks.
	if answer.ProtoMajor < 2 && answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 {
		s.err = c.noAnswer(r, false, errNoEnd)
	}
	return s
}

// Read reads the body. Its io.EOF says that the body is whole.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.body.Read(p)
	switch {
	case err == io.EOF:
		s.err = err
	case err != nil:
		s.err = s.client.noAnswer(s.req, false, cause(s.ctx, err))
	}
	if s.err != nil {
		s.leave()
	}
	return n, s.err
}

// Close ends the stream, read to its end or not.
func (s *Stream) Close() error {
	defer s.leave()
	s.stop(nil)
	return s.body.Close()
}

// Failed makes an error of a body that turned out not to be what is documented.
func (s *Stream) Failed(problem error) error { return s.client.noAnswer(s.req, false, problem) }
