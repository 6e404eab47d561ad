package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/iteramp/iteramp/amplitude"
)

// row is what is shown of an exported event, which has some 40 fields more.
type row struct {
	EventType  string          `json:"event_type"`
	UserID     string          `json:"user_id"`
	EventTime  string          `json:"event_time"`
	InsertID   string          `json:"$insert_id"`
	Properties json.RawMessage `json:"event_properties"`
}

// export reads back all events that Amplitude received since start.
func export(ctx context.Context, client *amplitude.Client, start time.Time) ([]row, error) {
	const hour = "20060102T15" // Amplitude exports whole hours
	var zipped []byte
	err := client.Do(ctx, amplitude.Request{
		Method: http.MethodGet,
		Path:   "/api/2/export",
		Query: url.Values{
			"start": {start.UTC().Format(hour)},
			"end":   {time.Now().UTC().Format(hour)},
		},
		Idempotent: true,
	}, &zipped)
	if errors.Is(err, amplitude.ErrNotFound) {
		return nil, nil // how the API says that there is nothing
	}
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, f := range archive.File {
		if rows, err = appendRows(rows, f); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// appendRows reads one file of an export: gzipped, a JSON object a line.
func appendRows(rows []row, f *zip.File) ([]row, error) {
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	plain, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	for lines := json.NewDecoder(plain); ; {
		var r row
		err := lines.Decode(&r)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
}
