package webhook

import (
	"encoding/base64"
	"strings"

	"github.com/iteramp/iteramp/internal/hook"
)

// Tokens returns what an Authorization header may stand for, most literal
// first: the header as it is, what follows the scheme word Basic, OAuth2,
// Bearer or Token in any case, and, after Basic, what that decodes to.
//
// Iterable sends the token of its type Basic alone: no scheme word, no base64.
// Proxies and other senders do what HTTP says.
func Tokens(authorization string) []string {
	whole := strings.TrimSpace(authorization)
	if whole == "" {
		return nil
	}
	tokens := []string{whole}
	scheme, rest, ok := strings.Cut(whole, " ")
	if rest = strings.TrimSpace(rest); !ok || !isScheme(scheme) {
		return tokens
	}
	tokens = append(tokens, rest)
	if strings.EqualFold(scheme, "Basic") {
		if decoded, ok := decode64(rest); ok {
			tokens = append(tokens, decoded)
		}
	}
	return tokens
}

func isScheme(word string) bool {
	for _, scheme := range []string{"Basic", "OAuth2", "Bearer", "Token"} {
		if strings.EqualFold(word, scheme) {
			return true
		}
	}
	return false
}

// decode64 takes both alphabets, with padding or without.
func decode64(s string) (string, bool) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(s)
	return string(b), err == nil && len(b) > 0
}

// Match returns the index of the secret that an Authorization header carries in
// one of its [Tokens], or -1. How long it takes does not depend on the secrets'
// contents, nor on which of them matches.
func Match(authorization string, secrets ...string) int {
	return hook.NewSecrets(secrets...).Match(Tokens(authorization))
}
