package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

// routeSpec is a route as the routes file has it.
type routeSpec struct {
	Name      string           `json:"name"`
	Region    amplitude.Region `json:"region"`
	APIKey    source           `json:"api_key"`
	Secrets   []source         `json:"secrets"`
	SecretKey source           `json:"secret_key"` // for -check
	Iterable  *iterableSpec    `json:"iterable"`   // for -check
	Rules     rulesSpec        `json:"rules"`
	BaseURL   string           `json:"base_url"` // stands for Amplitude's hosts, for tests and proxies
}

// iterableSpec is the Iterable project whose webhooks come this way.
type iterableSpec struct {
	APIKey  source          `json:"api_key"`
	Region  iterable.Region `json:"region"`
	BaseURL string          `json:"base_url"`
}

// routes are those of the file, or the single one of the environment, with their
// secrets read.
func (o options) routes(getenv func(string) string, log *slog.Logger) ([]routeSpec, error) {
	specs := []routeSpec{o.singleRoute(getenv)}
	if o.Routes != "" {
		file, err := os.ReadFile(o.Routes)
		if err != nil {
			return nil, fmt.Errorf("the routes file: %w", err)
		}
		if specs, err = parseRoutes(file); err != nil {
			return nil, err
		}
	}
	r := reader{getenv: getenv, log: log}
	for i := range specs {
		specs[i].read(&r, fmt.Sprintf("routes[%d].", i))
	}
	return specs, errors.Join(r.errs...)
}

func (o options) singleRoute(getenv func(string) string) routeSpec {
	spec := routeSpec{Region: o.Region, APIKey: source{value: o.AmplitudeKey}}
	for _, name := range []string{"RELAY_SECRET", "RELAY_SECRET_OLD"} {
		if v := getenv(name); v != "" {
			spec.Secrets = append(spec.Secrets, source{value: v})
		}
	}
	return spec
}

// parseRoutes reads a routes file. The form's mistakes are told of one for each
// route, by field and never by value.
func parseRoutes(file []byte) ([]routeSpec, error) {
	var list struct {
		Routes []json.RawMessage `json:"routes"`
	}
	if err := strict(file, &list); err != nil {
		return nil, fmt.Errorf("the routes file: %w", err)
	}
	if len(list.Routes) == 0 {
		return nil, errors.New(`the routes file: routes is empty`)
	}
	specs := make([]routeSpec, len(list.Routes))
	var errs []error
	for i, raw := range list.Routes {
		if err := strict(raw, &specs[i]); err != nil {
			errs = append(errs, fmt.Errorf("routes[%d]: %w", i, err))
		}
	}
	return specs, errors.Join(errs...)
}

// strict decodes one JSON value and nothing else. Its errors repeat no value.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return errors.New("something follows the JSON")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is no %s", wrong.Field, kindOf(wrong))
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("no JSON from byte %d on", wrong.Offset)
	}
	return err // of a field that is unknown, or of the end
}

func kindOf(wrong *json.UnmarshalTypeError) string {
	switch wrong.Type.Kind().String() {
	case "bool":
		return "true or false"
	case "string":
		return "text"
	case "slice":
		return "list"
	}
	return "object"
}

// read fills in what the environment and files hold.
func (s *routeSpec) read(r *reader, at string) {
	r.required(&s.APIKey, at+"api_key")
	if len(s.Secrets) == 0 {
		r.mistake(at + "secrets is empty: anyone could send events")
	}
	for i := range s.Secrets {
		r.required(&s.Secrets[i], fmt.Sprintf("%ssecrets[%d]", at, i))
	}
	r.optional(&s.SecretKey, at+"secret_key")
	if s.Iterable != nil {
		r.required(&s.Iterable.APIKey, at+"iterable.api_key")
	}
	s.Rules.check(r, at+"rules.")
}

func (s routeSpec) name() string { return cmp.Or(s.Name, "default") }

// amplitudeConfig is the configuration of the route's client.
func (s routeSpec) amplitudeConfig() amplitude.Config {
	return amplitude.Config{
		APIKey: s.APIKey.value, SecretKey: s.SecretKey.value, Region: s.Region, BaseURL: s.BaseURL,
	}
}

// route makes the route, with a client that tells onAttempt.
func (s routeSpec) route(log *slog.Logger, onAttempt func(context.Context, amplitude.Attempt)) (iteramp.Route, error) {
	cfg := s.amplitudeConfig()
	cfg.Logger, cfg.OnAttempt = log, onAttempt
	client, err := amplitude.NewClient(cfg)
	if err != nil {
		return iteramp.Route{}, err
	}
	rt := iteramp.Route{Name: s.Name, Amplitude: client, Rules: s.Rules.rules()}
	for _, secret := range s.Secrets {
		rt.Secrets = append(rt.Secrets, secret.value)
	}
	return rt, nil
}
