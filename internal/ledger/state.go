package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	stateFile = "ledger.json"
	version   = 1
)

// State is what ledger.json holds.
type State struct {
	Version    int    `json:"version"`
	CohortID   string `json:"cohort_id"`
	CohortName string `json:"cohort_name,omitzero"`

	ListID   int64     `json:"list_id,omitzero"`   // 0: not made yet
	ListName string    `json:"list_name,omitzero"` // as it was when the list was found or is to be made
	ListMade time.Time `json:"list_made,omitzero"` // when the sync made it, if it did

	// Request is a download that was asked for and not finished.
	Request *Request `json:"request,omitzero"`
	// Snapshot is the cohort as it was last downloaded whole.
	Snapshot *Snapshot `json:"snapshot,omitzero"`
	// Emails says that the ids that were put on the list look like addresses.
	Emails bool `json:"emails,omitzero"`
	// RetryAt is when ids that Iterable did not know or left open may be sent
	// again.
	RetryAt time.Time `json:"retry_at,omitzero"`

	Members        string `json:"members,omitzero"`
	Journal        string `json:"journal,omitzero"`
	Forgotten      string `json:"forgotten,omitzero"`
	ForgottenCount int    `json:"forgotten_count,omitzero"`
	Files          int    `json:"files"` // numbers given out so far
}

// Request is a download at Amplitude.
type Request struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Computed time.Time `json:"computed,omitzero"` // of the cohort, when it was asked for
	Size     *int      `json:"size"`              // as the cohort list said then
}

// Snapshot is a cohort as it was downloaded.
type Snapshot struct {
	File     string    `json:"file"`
	TakenAt  time.Time `json:"taken_at"`
	Computed time.Time `json:"computed,omitzero"` // zero: unknown
	Rows     int       `json:"rows"`
	NoUserID int       `json:"no_user_id"` // rows without a user id
	Emails   bool      `json:"emails"`     // most ids look like addresses
	Size     *int      `json:"size"`       // as the cohort list said
}

var table = crc32.MakeTable(crc32.Castagnoli)

// readState reads ledger.json; without one it is the zero State.
func readState(root *os.Root) (State, error) {
	raw, err := root.ReadFile(stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Version: version}, nil
	}
	if err != nil {
		return State{}, err
	}
	return parseState(raw)
}

// parseState reads a State and the checksum in the line after it: a damaged number
// is a valid number, too.
func parseState(raw []byte) (State, error) {
	body, sum, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || string(sum) != checksum(body) {
		return State{}, fmt.Errorf("%w: %s", ErrDamaged, stateFile)
	}
	var s State
	if json.Unmarshal(body, &s) != nil {
		return State{}, fmt.Errorf("%w: %s", ErrDamaged, stateFile)
	}
	if s.Version != version {
		return State{}, fmt.Errorf("%w: %s is of version %d", ErrDamaged, stateFile, s.Version)
	}
	return s, nil
}

func checksum(body []byte) string { return fmt.Sprintf("crc32c %08x\n", crc32.Checksum(body, table)) }

// writeState replaces ledger.json in one step.
func writeState(root *os.Root, s State) error {
	s.Version = version
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	const temporary = stateFile + ".new"
	if err := writeSynced(root, temporary, append(body, "\n"+checksum(body)...)); err != nil {
		return err
	}
	if err := root.Rename(temporary, stateFile); err != nil {
		return err
	}
	return syncDir(root)
}

func writeSynced(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// Others returns the states of the other cohorts under dir. One that cannot be
// read is an error: it may hold the list in question.
func Others(dir, cohortID string) ([]State, error) {
	own, err := dirName(cohortID)
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob(filepath.Join(dir, "cohort-*"))
	if err != nil {
		return nil, err
	}
	var states []State
	for _, d := range dirs {
		if filepath.Base(d) == own {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(d, stateFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // opened, and nothing planned yet
		}
		if err != nil {
			return nil, err
		}
		s, err := parseState(raw)
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return states, nil
}
