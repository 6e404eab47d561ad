package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// apply changes the source below root.
func (b seeded) apply(root string) (undo func() error, err error) {
	file := filepath.Join(root, b.file)
	before, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(before), b.old); n != 1 {
		return nil, fmt.Errorf("%s: what is to be changed stands in %s %d times", b.name, b.file, n)
	}
	after := strings.Replace(string(before), b.old, b.new, 1)
	if b.with != "" {
		after = strings.Replace(after, "import (\n", "import (\n"+strings.ReplaceAll(b.with, " ", "\n")+"\n", 1)
	}
	undo = func() error { return os.WriteFile(file, before, 0o600) }
	return undo, os.WriteFile(file, []byte(after), 0o600)
}

// seedBugs applies each bug to a copy of the source, runs the rows where it must
// show, and writes what caught it to BUGS.md. It fails if one was not caught.
func seedBugs(out io.Writer) error {
	dir, err := module()
	if err != nil {
		return err
	}
	wanted, err := regexp.Compile(*bug)
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "campaign")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := os.CopyFS(root, os.DirFS(filepath.Join(dir, "../.."))); err != nil {
		return err
	}
	var lines []string
	var missed []error
	for _, b := range seededBugs {
		if !wanted.MatchString(b.name) {
			continue
		}
		start := time.Now()
		found, err := b.try(root)
		if err != nil {
			missed = append(missed, err)
			found = "**nothing**"
		}
		line := fmt.Sprintf("| %s | %s | %.0f |", b.name, found, time.Since(start).Seconds())
		fmt.Fprintln(out, line)
		lines = append(lines, line)
	}
	if *bug == "" {
		text := "# Seeded bugs\n\nWritten by `go run ./internal/campaign -bugs`, which applies each to a copy of the source and runs rows of the\ncampaign at its first tier until one fails.\n\n| bug | caught by | seconds, with the build |\n|---|---|---|\n" + strings.Join(lines, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "BUGS.md"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return errors.Join(missed...)
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (TestF\d+\w*)`)
	runUntil   = regexp.MustCompile(`panic: (test timed out|deadlock)`)
)

// try says what caught the bug, and after how many runs.
func (b seeded) try(root string) (found string, err error) {
	undo, err := b.apply(root)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, undo()) }()
	*row, *tier, rowsWithin = b.rows, "P", 150*time.Second
	var out bytes.Buffer
	results, failed := runRows(filepath.Join(root, "internal/campaign"), &out)
	for _, r := range results {
		if r.Failures > 0 && r.Row != "F24" || r.Failures > 0 && len(results) == r.Failures {
			if r.Whole {
				return fmt.Sprintf("%s, within %d", r.Row, r.Iterations), nil
			}
			return fmt.Sprintf("%s, run %d", r.Row, max(1, int(r.Seed-*seed)+1)), nil
		}
	}
	switch {
	case failed == nil:
		return "", fmt.Errorf("%s: not caught by %s", b.name, b.rows)
	case runUntil.Match(out.Bytes()):
		return "a run that does not end, " + b.rows, nil
	case failedTest.Match(out.Bytes()):
		return string(failedTest.FindSubmatch(out.Bytes())[1]), nil
	}
	for _, r := range results {
		if r.Failures > 0 {
			return r.Row, nil
		}
	}
	return "", fmt.Errorf("%s: %w: %.2000s", b.name, failed, out.String())
}
