package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachExchangeIsAsTheDocumentHasIt(t *testing.T) {
	t.Parallel()
	all, err := traffic()
	require.NoError(t, err)
	for _, x := range all {
		t.Run(x.use.method+", "+x.use.name, func(t *testing.T) {
			if x.use.broken {
				require.Error(t, truth().checkRequest(x))
			} else {
				require.NoError(t, truth().checkRequest(x), "%s", x.body)
			}
			require.NoError(t, truth().checkReply(x), "%s", x.reply)
		})
	}
}
