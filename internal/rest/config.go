package rest

import (
	"crypto/tls"
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
	c := http.Client{Timeout: 30 * time.Second}
	if base != nil {
		c = *base
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 16
		t.DisableCompression = true
		t.ResponseHeaderTimeout = 30 * time.Second
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		c.Transport = t
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// CheckBaseURL accepts https, and http on a loopback address. Its errors do not
// repeat the address, which may hold credentials.
func CheckBaseURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("is not an absolute URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
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
