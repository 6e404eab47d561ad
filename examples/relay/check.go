package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// checkWithin bounds each step of a check.
const checkWithin = 20 * time.Second

// checker prints a line for each step.
type checker struct {
	out    io.Writer
	paths  []string
	failed bool
}

func (c *checker) ok(format string, args ...any)   { fmt.Fprintf(c.out, "ok    "+format+"\n", args...) }
func (c *checker) note(format string, args ...any) { fmt.Fprintf(c.out, "note  "+format+"\n", args...) }
func (c *checker) fail(format string, args ...any) {
	c.failed = true
	fmt.Fprintf(c.out, "FAIL  "+format+"\n", args...)
}

// check tries the settings on the vendors. It asks for lists and sends no event.
func check(ctx context.Context, opts options, specs []routeSpec, out io.Writer) int {
	c := &checker{out: out, paths: opts.Path}
	if _, err := newServiceConfig(opts, specs, slog.New(slog.DiscardHandler)); err != nil {
		c.fail("settings: %s", oneLine(err))
		return exitFailed
	}
	c.ok("settings: routes: %d, mode: %s", len(specs), opts.mode())
	if opts.NATS != "" {
		c.cluster(ctx, opts)
	}
	for _, spec := range specs {
		c.route(ctx, spec)
	}
	if c.failed {
		return exitFailed
	}
	return exitStopped
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// cluster connects, which makes sure of what the servers must be.
func (c *checker) cluster(ctx context.Context, opts options) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	st, err := openStore(ctx, opts, slog.New(slog.DiscardHandler))
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		c.fail("queue: %s", oneLine(err))
		return
	}
	c.ok("queue: the cluster answers")
	if len(opts.Monitor) == 0 {
		c.note("queue: give -monitor to find out whether each server syncs every write")
	}
}

func (c *checker) route(ctx context.Context, spec routeSpec) {
	name := spec.name()
	cfg := spec.amplitudeConfig()
	cfg.MaxAttempts = 1
	client, err := amplitude.NewClient(cfg)
	if err != nil {
		c.fail("%s: %s", name, oneLine(err))
		return
	}
	if c.reach(ctx, name, client) {
		c.cohorts(ctx, name, spec, client)
	}
	c.iterable(ctx, name, spec)
}

// reach asks Amplitude's ingestion host for its first page, without a key: any
// answer will do.
func (c *checker) reach(ctx context.Context, name string, client *amplitude.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	err := client.Do(ctx, amplitude.Request{Method: http.MethodGet, Path: "/"}, nil)
	if _, answered := errors.AsType[*amplitude.Error](err); err != nil && !answered {
		c.fail("%s: Amplitude cannot be reached: %s: look at proxies, firewalls and region", name, oneLine(err))
		return false
	}
	c.ok("%s: Amplitude's ingestion host answers", name)
	return true
}

// cohorts lists the project's cohorts: the only call that proves a key and changes
// nothing.
func (c *checker) cohorts(ctx context.Context, name string, spec routeSpec, client *amplitude.Client) {
	if spec.SecretKey.missing() {
		c.note("%s: give secret_key to have api_key and region checked", name)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	cohorts, err := client.Cohorts.List(ctx, amplitude.CohortListOptions{})
	switch {
	case errors.Is(err, amplitude.ErrUnauthorized):
		c.fail("%s: Amplitude refuses the keys: look at api_key, secret_key and region, which must be of one project", name)
	case err != nil:
		c.fail("%s: Amplitude lists no cohorts: %s: try again", name, oneLine(err))
	default:
		c.ok("%s: Amplitude knows the keys and lists %d cohorts", name, len(cohorts))
	}
}

// iterable looks for the webhook that comes here.
func (c *checker) iterable(ctx context.Context, name string, spec routeSpec) {
	if spec.Iterable == nil {
		c.note("%s: give iterable.api_key to have the webhook looked at", name)
		return
	}
	client, err := iterable.NewClient(iterable.Config{
		APIKey: spec.Iterable.APIKey.value, Region: spec.Iterable.Region, BaseURL: spec.Iterable.BaseURL, MaxAttempts: 1,
	})
	if err != nil {
		c.fail("%s: %s", name, oneLine(err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	webhooks, err := client.Webhooks.List(ctx)
	switch _, answered := errors.AsType[*iterable.Error](err); {
	case errors.Is(err, iterable.ErrUnauthorized):
		c.fail("%s: Iterable refuses the key: it must be a server-side key, of the region's data center", name)
	case answered:
		c.fail("%s: Iterable lists no webhooks: %s: try again", name, oneLine(err))
	case err != nil:
		c.fail("%s: Iterable cannot be reached: %s: look at proxies, firewalls and iterable.region", name, oneLine(err))
	default:
		c.ok("%s: Iterable knows the key and lists %d webhooks", name, len(webhooks))
		c.webhooks(name, webhooks)
	}
}

// webhooks judges the webhooks that come here, and finds the one of the vendors'
// own integration.
func (c *checker) webhooks(name string, webhooks []iterable.Webhook) {
	var problems []string
	good := false
	for _, w := range webhooks {
		u, err := url.Parse(w.Endpoint)
		switch {
		case err != nil:
		case u.Hostname() == "amplitude.com" || strings.HasSuffix(u.Hostname(), ".amplitude.com"):
			if w.Enabled {
				c.fail("%s: webhook %d goes to Amplitude itself: both together count every event twice, switch one off", name, w.ID)
			}
		case slices.Contains(c.paths, u.Path):
			problem := wrongWith(w)
			if problem != "" {
				problems = append(problems, fmt.Sprintf("%s: webhook %d to %s %s", name, w.ID, u.Host, problem))
				continue
			}
			good = true
			c.ok("%s: webhook %d to %s comes here, %s", name, w.ID, u.Host, sends(w))
		}
	}
	switch {
	case good:
	case len(problems) == 0:
		c.fail("%s: no webhook has the path %s: make one in Iterable, under Integrations > System Webhooks", name, strings.Join(c.paths, " or "))
	default:
		c.fail("%s", strings.Join(problems, "; "))
	}
}

func wrongWith(w iterable.Webhook) string {
	switch {
	case w.AuthType != iterable.WebhookAuthTypeBasic:
		return `must have the authentication type Basic, with the token "<amplitude_api_key>:<secret>"`
	case !w.Enabled:
		return "is not enabled"
	}
	return ""
}

// sends is which campaigns' sends a webhook is for. Which other events it has,
// Iterable's API does not tell.
func sends(w iterable.Webhook) string {
	var b strings.Builder
	b.WriteString(map[[2]bool]string{
		{true, true}:   "with sends of blast and triggered campaigns",
		{true, false}:  "with sends of blast campaigns and none of triggered ones",
		{false, true}:  "with sends of triggered campaigns and none of blasts",
		{false, false}: "without sends of campaigns",
	}[[2]bool{w.BlastSendEnabled, w.TriggeredSendEnabled}])
	if len(w.ChannelIDs) > 0 || len(w.MessageTypeIDs) > 0 {
		b.WriteString(", of some channels or message types only")
	}
	return b.String()
}
