package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/jetstream"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

var (
	acceptedDesc = describe("webhooks_accepted_total", "Webhooks stored in the queue.")
	answersDesc  = describe("answers_total", "Answers by HTTP status.", "status")
	runningDesc  = describe("running", "1 while webhooks are delivered from the queue.")
	readyDesc    = describe("ready", "1 if a webhook sent now would be taken.")

	framesDesc  = describe("backlog_frames", "Frames in the queue, each of one or more webhooks.", "route")
	takenDesc   = describe("backlog_taken_frames", "Frames that are being delivered.", "route")
	bytesDesc   = describe("backlog_bytes", "Bytes of the queue.", "route")
	limitDesc   = describe("backlog_limit_bytes", "Bytes up to which webhooks are taken.", "route")
	oldestDesc  = describe("backlog_oldest_age_seconds", "Age of the oldest frame, 0 if there is none.", "route")
	missingDesc = describe("backlog_missing_frames", "Frames that the store has lost.", "route")

	lettersDesc      = describe("dead_letters", "Webhooks that were refused or given up.")
	letterBytesDesc  = describe("dead_letters_bytes", "Bytes of the dead letters.")
	letterLimitDesc  = describe("dead_letters_limit_bytes", "Bytes up to which dead letters are taken.")
	storeReadyDesc   = describe("store_ready", "1 if the store takes writes, as far as is known.")
	storeFailureDesc = describe("store_unread_total", "Scrapes that got no answer from the store: its figures are those of before.")
)

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func total(ch chan<- prometheus.Metric, d *prometheus.Desc, v int64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// relayCollector reads the Relay's own counters.
type relayCollector struct {
	relay *iteramp.Relay
	ready func() error
	m     *metrics
}

func (c relayCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{acceptedDesc, answersDesc, runningDesc, readyDesc} {
		ch <- d
	}
}

func (c relayCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.relay.Stats()
	total(ch, acceptedDesc, s.Accepted)
	for status, n := range s.Answers {
		total(ch, answersDesc, n, strconv.Itoa(status))
	}
	total(ch, answersDesc, c.m.strays.Load(), strconv.Itoa(http.StatusNotFound))
	gauge(ch, runningDesc, truth(s.Running))
	gauge(ch, readyDesc, truth(c.ready() == nil))
}

// scrapeWithin bounds how long a scrape waits for the store.
const scrapeWithin = 3 * time.Second

// storeCollector asks the store, and keeps what it said for when it does not answer.
type storeCollector struct {
	store store

	mu       sync.Mutex
	backlog  []jetstream.Backlog
	letters  jetstream.Letters
	failures int64
}

func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{framesDesc, takenDesc, bytesDesc, limitDesc, oldestDesc, missingDesc,
		lettersDesc, letterBytesDesc, letterLimitDesc, storeReadyDesc, storeFailureDesc} {
		ch <- d
	}
}

func (c *storeCollector) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	backlog, err1 := c.store.Backlog(ctx)
	if err1 == nil {
		c.backlog = backlog
	}
	letters, err2 := c.store.Letters(ctx)
	if err2 == nil {
		c.letters = letters
	}
	if err1 != nil || err2 != nil {
		c.failures++
	}
}

func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask()
	for _, b := range c.backlog {
		gauge(ch, framesDesc, float64(b.Frames), b.Route)
		gauge(ch, takenDesc, float64(b.Taken), b.Route)
		gauge(ch, bytesDesc, float64(b.Bytes), b.Route)
		gauge(ch, limitDesc, float64(b.Limit), b.Route)
		gauge(ch, missingDesc, float64(b.Missing), b.Route)
		age := 0.0
		if !b.Oldest.IsZero() {
			age = time.Since(b.Oldest).Seconds()
		}
		gauge(ch, oldestDesc, max(0, age), b.Route)
	}
	gauge(ch, lettersDesc, float64(c.letters.Count))
	gauge(ch, letterBytesDesc, float64(c.letters.Bytes))
	gauge(ch, letterLimitDesc, float64(c.letters.Limit))
	gauge(ch, storeReadyDesc, truth(c.store.Ready() == nil))
	total(ch, storeFailureDesc, c.failures)
}
