package amplitude

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// fmt cannot call methods in a service or behind an unexported field, and prints
// what it finds there; with a verb that does not fit, behind a pointer too.
func TestNoVerbPrintsAKey(t *testing.T) {
	t.Parallel()
	client, err := NewClient(Config{APIKey: "canary-api", SecretKey: "canary-secret"})
	require.NoError(t, err)
	holder := struct{ client *Client }{client}
	for _, v := range []any{client, *client, client.Events, &client.Events, client.Cohorts, &client.Cohorts, holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
			require.NotContains(t, fmt.Sprintf(verb, v), "canary", "%s of a %T", verb, v)
		}
	}
}
