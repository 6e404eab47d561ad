package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
)

type options struct {
	config    iteramp.CohortSyncConfig // but for its clients
	amplitude amplitude.Config
	iterable  iterable.Config
	apply     bool
	json      bool
	allow     int // removals, -1: not said
}

func parse(args []string, getenv func(string) string) (options, error) {
	opts := options{
		amplitude: amplitude.Config{APIKey: getenv("AMPLITUDE_API_KEY"), SecretKey: getenv("AMPLITUDE_SECRET_KEY")},
		iterable:  iterable.Config{APIKey: getenv("ITERABLE_API_KEY")},
	}
	cfg := &opts.config
	fs := flag.NewFlagSet("cohortsync", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run prints the error
	fs.Func("cohort", "", func(id string) error { cfg.Cohorts = append(cfg.Cohorts, id); return nil })
	fs.Func("list", "", func(pair string) error { return addList(cfg, pair) })
	fs.StringVar((*string)(&opts.iterable.ProjectType), "project-type", "", "")
	fs.StringVar(&cfg.LedgerDir, "ledger", "", "")
	fs.BoolVar(&opts.apply, "apply", false, "")
	fs.DurationVar(&cfg.Every, "every", 0, "")
	fs.BoolVar(&cfg.ExistingUsersOnly, "existing-users-only", false, "")
	fs.BoolVar(&cfg.Full, "full", false, "")
	fs.BoolVar(&cfg.SeedFromList, "seed-from-list", false, "")
	fs.IntVar(&cfg.MaxRemovals, "max-removals", 0, "")
	fs.IntVar(&opts.allow, "allow-removals", -1, "")
	fs.BoolVar(&opts.json, "json", false, "")
	fs.StringVar((*string)(&opts.amplitude.Region), "amplitude-region", "", "")
	fs.StringVar((*string)(&opts.iterable.Region), "iterable-region", "", "")
	fs.StringVar(&opts.amplitude.BaseURL, "amplitude-url", "", "")
	fs.StringVar(&opts.iterable.BaseURL, "iterable-url", "", "")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case fs.NArg() > 0:
		return opts, fmt.Errorf("%q is no flag", fs.Arg(0))
	case len(cfg.Cohorts) == 0:
		return opts, errors.New("-cohort is missing")
	case cfg.LedgerDir == "":
		return opts, errors.New("-ledger is missing")
	case opts.iterable.ProjectType == "":
		return opts, errors.New("-project-type is missing")
	case opts.amplitude.APIKey == "" || opts.amplitude.SecretKey == "" || opts.iterable.APIKey == "":
		return opts, errors.New("AMPLITUDE_API_KEY, AMPLITUDE_SECRET_KEY and ITERABLE_API_KEY must be in the environment")
	case cfg.Every != 0 && (!opts.apply || cfg.Every < time.Minute):
		return opts, errors.New("-every goes with -apply, and is a minute or more")
	case opts.allow >= 0 && (!opts.apply || cfg.Every != 0):
		return opts, errors.New("-allow-removals goes with -apply, and not with -every")
	}
	return opts, nil
}

func addList(cfg *iteramp.CohortSyncConfig, pair string) error {
	cohort, list, _ := strings.Cut(pair, "=")
	id, err := strconv.ParseInt(list, 10, 64)
	if err != nil || cohort == "" || id <= 0 {
		return errors.New("want COHORT=LISTID")
	}
	if cfg.Lists == nil {
		cfg.Lists = make(map[string]int64)
	}
	cfg.Lists[cohort] = id
	return nil
}
