package hook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Lengths of a secret in bytes. Below MinSecret it can be guessed over the
// network and is refused; below GoodSecret the operator is warned.
const (
	MinSecret  = 8
	GoodSecret = 16
)

// CheckSecret says what is wrong with a secret, without it.
func CheckSecret(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) < MinSecret:
		return fmt.Errorf("is shorter than %d bytes", MinSecret)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("holds a newline or another control character")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with white space") // no header can
	}
	return nil
}

// Secrets are hashed, so that all comparisons are of one length. An empty secret
// matches nothing, because no token is empty.
type Secrets [][sha256.Size]byte

// NewSecrets hashes secrets.
func NewSecrets(secrets ...string) Secrets {
	all := make(Secrets, len(secrets))
	for i, s := range secrets {
		all[i] = sha256.Sum256([]byte(s))
	}
	return all
}

// Match returns the index of the first secret that is among the tokens, or -1.
// All are compared, and how long that takes does not depend on the secrets.
func (all Secrets) Match(tokens []string) int {
	found := -1
	for _, token := range tokens {
		sum := sha256.Sum256([]byte(token))
		for i := len(all) - 1; i >= 0; i-- { // the first of equal ones is left
			same := subtle.ConstantTimeCompare(sum[:], all[i][:])
			found = subtle.ConstantTimeSelect(same, i, found)
		}
	}
	return found
}
