package iterabletest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

func TestAClientWaitsInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := iterabletest.Fake{ProjectType: iterable.ProjectTypeUserID}
		fake.FailNext(http.StatusTooManyRequests)
		client, err := iterable.NewClient(fake.Config())
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, signUp(t.Context(), client, "u-1001"))
		require.NotZero(t, time.Since(start))
		require.Equal(t, "trial", fake.User("u-1001").DataFields["plan"])
		require.Len(t, fake.Requests(), 2)
		require.Equal(t, "POST /api/users/update", fake.Requests()[1].Op)
	})
}

func TestConfigCarriesTheKeyAndTypeOfTheFake(t *testing.T) {
	t.Parallel()
	fake := iterabletest.Fake{APIKey: "mine"}
	config := fake.Config()
	require.Equal(t, "mine", config.APIKey)
	require.Equal(t, iterable.ProjectTypeEmail, config.ProjectType)
	config.APIKey = "another"
	client, err := iterable.NewClient(config)
	require.NoError(t, err)
	require.ErrorIs(t, signUp(t.Context(), client, "u-1002"), iterable.ErrUnauthorized)
	require.Empty(t, fake.Users())
}
