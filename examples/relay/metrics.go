package main

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
)

// metrics are what the service tells Prometheus. All labels come from fixed sets:
// nothing a sender wrote is one.
type metrics struct {
	registry *prometheus.Registry
	webhooks *prometheus.CounterVec
	secrets  *prometheus.CounterVec
	settle   *prometheus.HistogramVec
	answer   prometheus.Histogram
	uploads  *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	strays   atomic.Int64 // requests for other paths
}

const prefix = "iteramp_relay_"

// settleBuckets reach from a good moment to a long outage.
var settleBuckets = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		webhooks: counter("webhooks_total", "Webhooks by what became of them; those in the queue are not among them yet.", "route", "fate", "reason"),
		secrets:  counter("webhooks_by_secret_total", "Webhooks by the index of the secret they came with.", "route", "secret"),
		settle:   histogram("settle_seconds", "From a webhook's receipt until it was delivered, refused or skipped.", settleBuckets, "route"),
		answer: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "answer_seconds", Help: "From a request's header to its answer, reading the body included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		uploads: histogram("upload_seconds", "Attempts to send to Amplitude, by the answer's status.", prometheus.DefBuckets, "op", "status"),
		limited: counter("upload_limited_seconds_total", "Time that attempts have waited for a limiter.", "op"),
	}
	m.registry.MustRegister(m.webhooks, m.secrets, m.settle, m.answer, m.uploads, m.limited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
}

// outcome is the Relay's OnOutcome.
func (m *metrics) outcome(_ context.Context, o iteramp.RelayOutcome) {
	m.webhooks.WithLabelValues(o.Route, string(o.Fate), o.Reason).Inc()
	m.secrets.WithLabelValues(o.Route, strconv.Itoa(o.Secret)).Inc()
	if o.Fate != iteramp.Failed {
		m.settle.WithLabelValues(o.Route).Observe(o.Took.Seconds())
	}
}

// attempt is the clients' OnAttempt.
func (m *metrics) attempt(_ context.Context, a amplitude.Attempt) {
	status := strconv.Itoa(a.StatusCode)
	switch {
	case a.StatusCode == 0:
		status = "none"
	case http.StatusText(a.StatusCode) == "":
		status = "other"
	}
	m.uploads.WithLabelValues(a.Op, status).Observe(a.Took.Seconds())
	m.limited.WithLabelValues(a.Op).Add(a.Limited.Seconds())
}

// timed measures how long answers take.
func (m *metrics) timed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		h.ServeHTTP(w, r)
		m.answer.Observe(time.Since(start).Seconds())
	})
}

func (m *metrics) notFound() { m.strays.Add(1) }

// watch adds what is asked for at each scrape. st may be nil.
func (m *metrics) watch(relay *iteramp.Relay, ready func() error, st store, routes []iteramp.Route) {
	for _, rt := range routes { // so that a rate begins with the first webhook
		m.webhooks.WithLabelValues(routeName(rt), string(iteramp.Delivered), "")
	}
	m.registry.MustRegister(relayCollector{relay, ready, m})
	if st != nil {
		m.registry.MustRegister(&storeCollector{store: st})
	}
}
