package amplitude_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

func TestTheMembersOfACohortAreReadWhole(t *testing.T) {
	t.Parallel()
	for name, fake := range map[string]*amplitudetest.Fake{
		"from Amplitude itself": {},
		"over a link":           {InlineRows: -1},
		"as gzip":               {GzipFiles: true},
	} {
		t.Run(name, func(t *testing.T) {
			id := fake.AddCohort(amplitudetest.Cohort{Name: "Lapsed", Members: []amplitudetest.Member{
				{UserID: "u-1", AmplitudeID: 41, Properties: map[string]any{"plan": `the "gold", one`}},
				{AmplitudeID: 42},
			}})
			client, err := amplitude.NewClient(fake.Config())
			require.NoError(t, err)
			var members []amplitude.Member
			for m, err := range client.Cohorts.Members(t.Context(), id, amplitude.CohortMembersOptions{}) {
				require.NoError(t, err)
				members = append(members, m)
			}
			require.Equal(t, []amplitude.Member{{AmplitudeID: "41", UserID: "u-1"}, {AmplitudeID: "42"}}, members)
		})
	}
}
