package amplitudetest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

func TestAClientWaitsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.FailNext(http.StatusTooManyRequests)
		client, err := amplitude.NewClient(fake.Config())
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, signUp(t.Context(), client, "u-1001"))
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Equal(t, "Signed Up", fake.Events()[0].EventType)
		require.Len(t, fake.Requests(), 2)
	})
}

func TestConfigCarriesTheKeysOfTheFake(t *testing.T) {
	t.Parallel()
	fake := amplitudetest.Fake{APIKey: "mine", SecretKey: "hidden"}
	config := fake.Config()
	require.Equal(t, "mine", config.APIKey)
	require.Equal(t, "hidden", config.SecretKey)
	client, err := amplitude.NewClient(config)
	require.NoError(t, err)
	require.NoError(t, signUp(t.Context(), client, "u-1001"))

	config.APIKey = "another"
	client, err = amplitude.NewClient(config)
	require.NoError(t, err)
	require.ErrorIs(t, signUp(t.Context(), client, "u-1002"), amplitude.ErrUnauthorized)
	require.Len(t, fake.Events(), 1)
}
