package mapping

import (
	"strings"

	"github.com/iteramp/iteramp/iterable/webhook"
)

// UserID returns Iterable's userId as it is, or "" for a user known by e-mail
// only. It is the default.
func UserID(e webhook.Event) string { return e.UserID }

// UserIDOrEmail returns the userId, or the e-mail address in lower case if
// there is none. Iterable's placeholder addresses do not count.
func UserIDOrEmail(e webhook.Event) string {
	email := strings.ToLower(strings.TrimSpace(e.Email))
	if e.UserID != "" || strings.HasSuffix(email, placeholder) {
		return e.UserID
	}
	return email
}

// placeholder ends the addresses that Iterable makes up for users without one.
const placeholder = "@placeholder.email"

// refused reports whether Amplitude takes id for the placeholder of a missing
// one. It lists the words but not whether case matters, so it does not.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2 (user_id)
func refused(id string) bool {
	if len(id) > len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	switch strings.ToLower(id) {
	case "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown",
		"00000000-0000-0000-0000-000000000000", "{}", "lmy47d", "0", "-1":
		return true
	}
	return false
}
