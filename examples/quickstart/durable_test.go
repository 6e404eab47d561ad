package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is the relay that the test kills, if the environment says so.
func TestMain(m *testing.M) {
	if at := strings.Fields(os.Getenv(relayEnv)); len(at) == 2 {
		if serveRelay(context.Background(), at[0], at[1], os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestDurableLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	code, stdout, stderr := quickstart(t, nil, "", "-durable")
	require.Empty(t, stderr)
	require.Zero(t, code, stdout)
	require.Contains(t, stdout, "98 Iterable webhooks")
	require.Contains(t, stdout, "95 answered 200 = 78 events + 9 sent twice + 8 skipped: nothing is lost.")
}

func TestDurableSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.Equal(t, 1, reportDurable(&b, 95, 3, 77, 0))
	require.Contains(t, b.String(), "NOT as expected: 78 arrived")
}
