package amplitudetest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/iteramp/iteramp/internal/memory"
)

// linkLife is how long a link to a cohort file is valid.
const linkLife = time.Minute

const linkTime = "20060102T150405Z"

// link is a new pre-signed link to a file. With Amplitude it points to S3; the
// fake serves it itself, on the host under which it was called.
func (f *Fake) link(c *call, d *download) string {
	path := "/s3/" + d.id + "/" + rand.Text() + ".csv"
	date := c.now.UTC().Format(linkTime)
	query := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Date": {date},
		"X-Amz-Expires": {fmt.Sprint(int(linkLife / time.Second))}, "X-Amz-SignedHeaders": {"host"},
		"X-Amz-Signature": {f.signature(path, date)},
	}
	link := url.URL{Scheme: memory.Scheme(c.r), Host: c.r.Host, Path: path, RawQuery: query.Encode()}
	return link.String()
}

func (f *Fake) signature(path, date string) string {
	mac := hmac.New(sha256.New, []byte(f.secretKey()))
	fmt.Fprint(mac, path, "\n", date)
	return hex.EncodeToString(mac.Sum(nil))
}

// storage answers GET /s3/, as S3 does for a pre-signed link: it takes no
// second credential beside the signature.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func storage(f *Fake, c *call) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		query := c.r.URL.Query()
		date, err := time.Parse(linkTime, query.Get("X-Amz-Date"))
		signed := f.signature(c.r.URL.Path, query.Get("X-Amz-Date"))
		d := f.download(c.args[0], c.now)
		switch {
		case !query.Has("X-Amz-Signature"):
			writeXML(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		case c.r.Header.Get("Authorization") != "":
			writeXML(w, http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm"+
				" query parameter, Signature query string parameter or the Authorization header should be specified")
		case err != nil || !hmac.Equal([]byte(signed), []byte(query.Get("X-Amz-Signature"))):
			writeXML(w, http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match"+
				" the signature you provided. Check your key and signing method.")
		case c.now.Sub(date) > linkLife:
			writeXML(w, http.StatusForbidden, "AccessDenied", "Request has expired")
		case d == nil:
			writeXML(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		default:
			f.writeFile(w, d, "binary/octet-stream")
		}
	}
}

func writeXML(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}
