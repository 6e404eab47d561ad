package idset

import (
	"context"
	"os"
)

// Merge writes one set out of layers, of which later ones win, as in
// [Compare]. Keep returns the state that an id with this state will have, or 0
// if it is to be left out; nil keeps all as they are. The layers stay as they
// are and stay open, also if name is that of one of them.
func Merge(ctx context.Context, layers []*Set, root *os.Root, name string, keep func(state byte) byte) (*Set, error) {
	if keep == nil {
		keep = func(state byte) byte { return state }
	}
	w, err := Create(root, name)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	kept := func(c Change) bool { return keep(c.Old) != 0 }
	_, err = Compare(ctx, layers, nil, kept, func(id []byte, c Change) error {
		return w.Put(keep(c.Old), id)
	})
	if err != nil {
		return nil, err
	}
	return w.Commit()
}
