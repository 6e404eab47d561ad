package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/iteramp/iteramp"
)

// progress shows how far a sync has come.
type progress interface {
	show(iteramp.CohortProgress)
	end() // before anything else is printed
}

// newProgress is a bar on a terminal and lines elsewhere.
func newProgress(w io.Writer) progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bar{out: w}
	}
	return &lines{out: w}
}

// lines prints the beginning of each phase, and the end of those with a count.
type lines struct {
	out  io.Writer
	last iteramp.CohortProgress
}

func (l *lines) show(p iteramp.CohortProgress) {
	begins := p.Phase != l.last.Phase || p.CohortID != l.last.CohortID
	ends := p.Done > 0 && p.Done == p.Total && p != l.last
	l.last = p
	switch {
	case ends:
		fmt.Fprintf(l.out, "%s: %s: %d\n", p.CohortID, p.Phase, p.Done)
	case begins:
		fmt.Fprintf(l.out, "%s: %s\n", p.CohortID, p.Phase)
	}
}

func (l *lines) end() {}

// bar draws a bar for each phase.
type bar struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	phase iteramp.CohortProgress // whose bar it is
}

func (b *bar) show(p iteramp.CohortProgress) {
	if b.bar == nil || p.Phase != b.phase.Phase || p.CohortID != b.phase.CohortID {
		b.end()
		total := int64(p.Total)
		if total == 0 {
			total = -1 // a spinner
		}
		b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.out), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription(p.CohortID+" "+string(p.Phase)), progressbar.OptionClearOnFinish())
		b.phase = p
	}
	_ = b.bar.Set(p.Done) // drawing is all that can fail
}

func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Finish()
		b.bar = nil
	}
}
