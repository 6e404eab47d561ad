package rest

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HTTPClient is a copy of base, or a client with sane limits if base is nil,
// that follows no redirect: net/http would carry a header such as Api-Key, or a
// body with a key in it, on to another host.
func HTTPClient(base *http.Client) *http.Client {
	c := http.Client{Timeout: 30 * time.Second, Transport: transport()}
	if base != nil {
		c = *base
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// transport is the one of net/http with more idle connections and our own
// reading of bodies. Programs wrap http.DefaultTransport; theirs is used then.
func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true
	t.MaxResponseHeaderBytes = maxHeader
	return t
}

// maxHeader bounds what is read of an answer before its body. Left alone, net/http
// reads 10 MiB, for which it allocates seven times as much.
const maxHeader = 256 << 10

// withoutTimeout is c for a stream: a Timeout would cut its body.
func withoutTimeout(c *http.Client) *http.Client {
	stream := *c
	stream.Timeout = 0
	return &stream
}

// CheckLink accepts https, and http if base is that as well: it is on a loopback
// address then. A user in it would become credentials.
func CheckLink(link, base string) error {
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return errors.New("the link is not a plain URL")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && strings.HasPrefix(base, "http:") && loopback(u.Hostname()):
		return nil
	default:
		return errors.New("the link is not https")
	}
}

// CheckBaseURL accepts https, and http on a loopback address. Its errors do not
// repeat the address, which may hold credentials.
func CheckBaseURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("is not an absolute URL")
	case u.User != nil || strings.ContainsAny(base, "?#"):
		return errors.New("must have no user, query or fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	default:
		return errors.New("must be https, or http on a loopback address")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckKey refuses what cannot stand in a header.
func CheckKey(key string) error {
	if strings.TrimSpace(key) != key {
		return errors.New("begins or ends with white space")
	}
	for _, r := range key {
		if r < ' ' || r == 0x7f {
			return errors.New("holds a control character")
		}
	}
	return nil
}
