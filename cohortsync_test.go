package iteramp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// vendors are both of them, with one cohort.
type vendors struct {
	amp    amplitudetest.Fake
	it     iterabletest.Fake
	dir    string
	cohort string
}

func newVendors(t *testing.T, members ...string) *vendors {
	v := &vendors{dir: filepath.Join(t.TempDir(), "ledgers")}
	v.it.ProjectType = iterable.ProjectTypeUserID
	v.cohort = v.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
	v.amp.SetMembers(v.cohort, members...)
	return v
}

func (v *vendors) config(t *testing.T) iteramp.CohortSyncConfig {
	amp, err := amplitude.NewClient(v.amp.Config())
	require.NoError(t, err)
	it, err := iterable.NewClient(v.it.Config())
	require.NoError(t, err)
	return iteramp.CohortSyncConfig{Amplitude: amp, Iterable: it, LedgerDir: v.dir}
}

func (v *vendors) new(t *testing.T, change ...func(*iteramp.CohortSyncConfig)) *iteramp.CohortSync {
	cfg := v.config(t)
	for _, c := range change {
		c(&cfg)
	}
	s, err := iteramp.NewCohortSync(cfg)
	require.NoError(t, err)
	return s
}

func (v *vendors) sync(t *testing.T, change ...func(*iteramp.CohortSyncConfig)) (iteramp.CohortReport, error) {
	t.Helper()
	r, err := v.new(t, change...).Sync(t.Context(), v.cohort)
	if r.ListName != "" {
		require.Equal(t, r.Members+r.Left, r.Total(), "every id has a fate: %+v", r)
	}
	return r, err
}

// list is the one list of the fake.
func (v *vendors) list(t *testing.T) iterabletest.List {
	t.Helper()
	require.Len(t, v.it.Lists(), 1)
	return v.it.Lists()[0]
}

func (v *vendors) members(t *testing.T) []string { return v.it.Members(v.list(t).ID) }

// writes counts what was sent to Iterable to change it.
func (v *vendors) writes() (n int) {
	for _, r := range v.it.Requests() {
		if r.Method != http.MethodGet {
			n++
		}
	}
	return n
}

func (v *vendors) downloads() int { return requested(&v.amp) }

func users(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("u-%05d", i))
	}
	return ids
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, f)
}

func TestACohortBecomesAListAndStaysEqual(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(2500)...)
		r, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, "[Amplitude] Lapsed", v.list(t).Name)
		require.Equal(t, users(2500), v.members(t))
		require.Equal(t, 2500, r.Added)
		require.Equal(t, 499, r.DownloadsLeft)
		require.Equal(t, 1+3, v.writes(), "the list, and three batches")

		before, downloads := v.writes(), v.downloads()
		r, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, 2500, r.Kept)
		require.Equal(t, before, v.writes(), "nothing to do, nothing written")
		require.Equal(t, downloads, v.downloads(), "not computed anew, not downloaded")

		v.amp.SetMembers(v.cohort, append(users(2450), "new-1", "new-2")...)
		r, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, append([]string{"new-1", "new-2"}, users(2450)...), v.members(t))
		require.Equal(t, []int{2, 2450, 50}, []int{r.Added, r.Kept, r.Removed})
		require.Equal(t, before+2, v.writes())
	})
}

// Only user ids are sent, and every switch is said.
func TestTheRequestsOfASync(t *testing.T) {
	for _, existingOnly := range []bool{false, true} {
		t.Run(fmt.Sprint("existing users only ", existingOnly), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVendors(t, users(3)...)
				var bodies []string
				v.it.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, "subscribe") {
						b := make([]byte, r.ContentLength)
						r.Body.Read(b)
						bodies = append(bodies, string(b))
					}
					return false
				})
				only := func(c *iteramp.CohortSyncConfig) { c.ExistingUsersOnly = existingOnly }
				for _, id := range users(3) {
					v.it.AddUser(id, nil)
				}
				_, err := v.sync(t, only)
				require.NoError(t, err)
				v.amp.SetMembers(v.cohort, users(2)...)
				_, err = v.sync(t, only)
				require.NoError(t, err)
				id, prefer := v.list(t).ID, `,"preferUserId":true`
				if existingOnly {
					prefer = ""
				}
				require.Len(t, bodies, 2)
				require.Contains(t, bodies[0], fmt.Sprintf(`{"userId":"u-00001"%s}`, prefer))
				require.Contains(t, bodies[0], fmt.Sprintf(`"updateExistingUsersOnly":%v`, existingOnly))
				require.Equal(t, fmt.Sprintf(`{"listId":%d,"subscribers":[{"userId":"u-00002"}],"channelUnsubscribe":false}`, id), bodies[1])
				for _, never := range []string{"dataFields", "campaignId", "email", "mergeNestedObjects"} {
					require.NotContains(t, strings.Join(bodies, ""), never)
				}
			})
		})
	}
}

func TestUnknownUsersOfAnEmailProjectGetAPlaceholderAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, "u-1")
		v.it.ProjectType = iterable.ProjectTypeEmail
		_, err := v.sync(t)
		require.NoError(t, err)
		require.Regexp(t, `^u-1\+\d+@placeholder\.email$`, v.it.User("u-1").Email)
		require.Equal(t, []string{v.it.User("u-1").Email}, v.members(t))
	})
}

func TestOnlyWhoWasPutOnTheListIsTakenOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, "u-1", "u-2")
		id := v.it.AddList("[Amplitude] Lapsed", "by-hand", "u-2")
		r, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, id, r.ListID, "the list of that name is adopted")
		v.amp.SetMembers(v.cohort, "u-1")
		_, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, []string{"by-hand", "u-1"}, v.members(t))
	})
}

func TestAPlanWritesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(5)...)
		s := v.new(t)
		plan, err := s.Plan(t.Context(), v.cohort)
		require.NoError(t, err)
		require.Zero(t, v.writes())
		require.Empty(t, v.it.Lists())
		require.Equal(t, []int{5, 5, 0}, []int{plan.Members, plan.Adds, plan.Removes})
		var added []string
		for id, err := range plan.Added() {
			require.NoError(t, err)
			added = append(added, id)
		}
		require.ElementsMatch(t, users(5), added)
		_, err = s.Sync(t.Context(), v.cohort)
		require.ErrorIs(t, err, iteramp.ErrBusy)
		require.NoError(t, plan.Close())
		require.NoError(t, plan.Close())
		_, err = plan.Apply(t.Context())
		require.Error(t, err)

		_, err = s.Sync(t.Context(), v.cohort)
		require.NoError(t, err)
		require.Equal(t, users(5), v.members(t))
		require.Equal(t, 1, v.downloads(), "what the dry run fetched is applied")
	})
}

func TestMassRemovalsAreHeldBack(t *testing.T) {
	limit := func(n int) func(*iteramp.CohortSyncConfig) {
		return func(c *iteramp.CohortSyncConfig) { c.MaxRemovals = n }
	}
	for _, tt := range []struct {
		name       string
		had, has   int
		change     func(*iteramp.CohortSyncConfig)
		doubt      iteramp.Doubt
		limit      int
		stillAdded bool
	}{
		{"a hundred go", 300, 200, limit(0), "", 0, true},
		{"more than a hundred do not", 300, 199, limit(0), iteramp.DoubtTooMany, 100, true},
		{"a tenth of many goes", 2000, 1800, limit(0), "", 0, true},
		{"more than a tenth does not", 2000, 1799, limit(0), iteramp.DoubtTooMany, 200, true},
		{"more were allowed", 2000, 1000, limit(1000), "", 0, true},
		{"fewer were allowed", 20, 10, limit(9), iteramp.DoubtTooMany, 9, true},
		{"an empty cohort", 20, 0, limit(1000), iteramp.DoubtEmpty, 1000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVendors(t, users(tt.had)...)
				_, err := v.sync(t)
				require.NoError(t, err)
				next := users(tt.has)
				if tt.has > 0 {
					next = append(next, "new")
				}
				v.amp.SetMembers(v.cohort, next...)
				r, err := v.sync(t, tt.change)
				if tt.doubt == "" {
					require.NoError(t, err)
					require.Equal(t, append([]string{"new"}, users(tt.has)...), v.members(t))
					return
				}
				refused, ok := errors.AsType[*iteramp.RemovalsRefusedError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, iteramp.RemovalsRefusedError{CohortID: v.cohort, Doubt: tt.doubt, Removes: tt.had - tt.has, Limit: tt.limit}, *refused)
				require.Equal(t, tt.had-tt.has, r.Held)
				require.Subset(t, v.members(t), users(tt.had))
				require.Equal(t, tt.stillAdded, slices.Contains(v.members(t), "new"))

				plan, err := v.new(t, tt.change).Plan(t.Context(), v.cohort)
				require.NoError(t, err)
				defer plan.Close()
				plan.AllowRemovals(plan.Removes - 1)
				require.NotNil(t, plan.Refused)
				plan.AllowRemovals(plan.Removes)
				require.Nil(t, plan.Refused)
				_, err = plan.Apply(t.Context())
				require.NoError(t, err)
				require.ElementsMatch(t, next, v.members(t))
			})
		})
	}
}

// A download that is not what it should be removes nobody.
func TestALyingDownloadRemovesNobody(t *testing.T) {
	const header = "\"amplitude_id\",\"user_id\"\n"
	for name, file := range map[string]func(csv []byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"a web page":        func([]byte) []byte { return []byte("<html><body>Sign in</body></html>") },
		"an error in XML":   func([]byte) []byte { return []byte("<?xml version=\"1.0\"?><Error/>") },
		"the header only":   func([]byte) []byte { return []byte(header) },
		"no id column":      func(b []byte) []byte { return []byte(strings.Replace(string(b), "user_id", "userid", 1)) },
		"half of the rows":  func(b []byte) []byte { return b[:strings.LastIndex(string(b[:len(b)/2]), "\n")+1] },
		"a row too short":   func(b []byte) []byte { return append(b, "\"77\"\n"...) },
		"a row too long":    func(b []byte) []byte { return append(b, "\"77\",\"u\",\"x\"\n"...) },
		"cut within a row":  func(b []byte) []byte { return b[:len(b)-3] },
		"another cohort":    func([]byte) []byte { return []byte(header + "\"1\",\"x-1\"\n\"2\",\"x-2\"\n") },
		"addresses":         func(b []byte) []byte { return regexp.MustCompile(`u-\d+`).ReplaceAll(b, []byte("$0@example.com")) },
		"nobody identified": func(b []byte) []byte { return regexp.MustCompile(`u-\d+`).ReplaceAll(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVendors(t, users(400)...)
				_, err := v.sync(t)
				require.NoError(t, err)
				v.amp.TamperFile(file)
				v.amp.SetMembers(v.cohort, users(399)...)
				before := v.writes()
				_, err = v.sync(t)
				require.Error(t, err)
				require.Equal(t, users(400), v.members(t), "%v", err)
				require.Equal(t, before, v.writes(), "%v", err)
				t.Log(err)
			})
		})
	}
}

func TestDuplicatesAndOddIDsOfADownload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, "u-1", "u-2")
		v.amp.TamperFile(func(b []byte) []byte {
			return append(b, "\"9\",\"u-1\"\n\"9\",\"u-1\"\n\"10\",\"\"\n\"11\",\"a\nb\"\n\"12\",\"=1+1\"\n\"13\",\"n\x00l\"\n\"14\",\"\u00fc\"\n"...)
		})
		r, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, []string{"=1+1", "u-1", "u-2"}, v.members(t))
		require.Equal(t, map[iterable.Reason]int{iterable.ReasonInvalidID: 3}, r.Rejected)
		require.Equal(t, []int{6, 3, 1}, []int{r.Members, r.Added, r.NoUserID})
	})
}

// Each of the ten failure lists is a fate, now and in the next run.
func TestWhoIsRejectedIsNotSentAgain(t *testing.T) {
	for reason, want := range map[iterabletest.Reason]iterable.Reason{
		iterabletest.ReasonConflict:    iterable.ReasonConflict,
		iterabletest.ReasonForgotten:   iterable.ReasonForgotten,
		iterabletest.ReasonInvalidData: iterable.ReasonInvalidData,
		iterabletest.ReasonInvalid:     iterable.ReasonInvalidID,
		iterabletest.ReasonNotFound:    iterable.ReasonNotFound,
	} {
		t.Run(string(want), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVendors(t, users(5)...)
				v.it.Refuse(reason, "u-00002")
				outcomes := make(map[string]iteramp.CohortOutcome)
				hear := func(c *iteramp.CohortSyncConfig) {
					c.OnOutcome = func(o iteramp.CohortOutcome) { outcomes[o.UserID] = o }
				}
				for i := range 3 {
					before := v.writes()
					r, err := v.sync(t, hear)
					require.NoError(t, err)
					require.Equal(t, map[iterable.Reason]int{want: 1}, r.Rejected)
					require.Equal(t, iteramp.CohortOutcome{CohortID: v.cohort, UserID: "u-00002", Fate: iteramp.Rejected, Reason: want}, outcomes["u-00002"])
					require.NotContains(t, v.members(t), "u-00002")
					if i > 0 {
						require.Equal(t, before, v.writes())
					}
					v.amp.Recompute(v.cohort)
				}
				v.it.Release("u-00002")
				time.Sleep(25 * time.Hour)
				v.amp.Recompute(v.cohort)
				r, err := v.sync(t)
				require.NoError(t, err)
				require.Equal(t, want == iterable.ReasonNotFound, len(r.Rejected) == 0, "a day later")

				v.amp.SetMembers(v.cohort, users(2)...) // out and in again
				_, err = v.sync(t)
				require.NoError(t, err)
				v.amp.SetMembers(v.cohort, users(5)...)
				r, err = v.sync(t)
				require.NoError(t, err)
				require.Equal(t, want == iterable.ReasonForgotten, len(r.Rejected) == 1, "who comes back is sent, the forgotten never")
			})
		})
	}
}

func TestWhoIsNotNamedIsUnconfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(4)...)
		v.it.SkipsUncounted = true
		v.it.AddUser("u-00000", nil)
		v.it.AddUser("u-00001", nil)
		only := func(c *iteramp.CohortSyncConfig) { c.ExistingUsersOnly = true }
		r, err := v.sync(t, only)
		require.NoError(t, err)
		require.Equal(t, []int{2, 2}, []int{r.Added, r.Unconfirmed})
		before := v.writes()
		v.amp.Recompute(v.cohort)
		r, err = v.sync(t, only)
		require.NoError(t, err)
		require.Equal(t, 4, r.Unconfirmed, "of a batch that was left open in part, nobody knows who was meant")
		require.Equal(t, before, v.writes())

		v.it.AddUser("u-00002", nil)
		time.Sleep(25 * time.Hour)
		v.amp.Recompute(v.cohort)
		r, err = v.sync(t, only)
		require.NoError(t, err)
		require.Equal(t, []int{3, 1}, []int{r.Added, r.Unconfirmed})
		v.amp.SetMembers(v.cohort, users(1)...)
		_, err = v.sync(t, only)
		require.NoError(t, err)
		require.Equal(t, users(1), v.members(t), "whoever may be on the list is taken off")
	})
}

func TestACohortThatIsGoneLeavesTheList(t *testing.T) {
	for name, end := range map[string]func(*vendors){
		"archived": func(v *vendors) { v.amp.ArchiveCohort(v.cohort) },
		"deleted":  func(v *vendors) { v.amp.DeleteCohort(v.cohort) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVendors(t, users(3)...)
				_, err := v.sync(t)
				require.NoError(t, err)
				end(v)
				before := v.writes()
				_, err = v.sync(t)
				require.ErrorIs(t, err, iteramp.ErrCohortGone)
				require.Equal(t, before, v.writes())
				require.Equal(t, users(3), v.members(t))
			})
		})
	}
}

func TestARenamedCohortKeepsItsList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		_, err := v.sync(t)
		require.NoError(t, err)
		v.amp.RenameCohort(v.cohort, "Churned")
		v.amp.SetMembers(v.cohort, users(4)...)
		r, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, []string{"Churned", "[Amplitude] Lapsed"}, []string{r.CohortName, r.ListName})
		require.Equal(t, users(4), v.members(t))
	})
}

func TestAListThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		_, err := v.sync(t)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		it, err := iterable.NewClient(v.it.Config())
		require.NoError(t, err)
		require.NoError(t, it.Lists.Delete(t.Context(), v.list(t).ID))
		_, err = v.sync(t)
		require.ErrorIs(t, err, iteramp.ErrListGone)
		require.Empty(t, v.it.Lists())
		r, err := v.sync(t, func(c *iteramp.CohortSyncConfig) { c.Full = true })
		require.NoError(t, err)
		require.Equal(t, 3, r.Added)
		require.Equal(t, users(3), v.members(t))
	})
}

func TestAListThatGoesInTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		_, err := v.sync(t)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		v.amp.SetMembers(v.cohort, users(5)...)
		plan, err := v.new(t).Plan(t.Context(), v.cohort)
		require.NoError(t, err)
		defer plan.Close()
		it, err := iterable.NewClient(v.it.Config())
		require.NoError(t, err)
		require.NoError(t, it.Lists.Delete(t.Context(), v.list(t).ID))
		r, err := plan.Apply(t.Context())
		require.ErrorIs(t, err, iteramp.ErrListGone)
		require.Equal(t, []int{3, 2}, []int{r.Kept, r.Failed})
	})
}

func TestListsThatCannotBeTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		first, second := v.it.AddList("[Amplitude] Lapsed"), v.it.AddList("[Amplitude] Lapsed")
		_, err := v.sync(t)
		require.ErrorIs(t, err, iteramp.ErrListName)
		require.ErrorContains(t, err, fmt.Sprint(first, " ", second))
		choose := func(id int64) func(*iteramp.CohortSyncConfig) {
			return func(c *iteramp.CohortSyncConfig) { c.Lists = map[string]int64{v.cohort: id} }
		}
		_, err = v.sync(t, choose(second))
		require.NoError(t, err)
		require.Equal(t, users(3), v.it.Members(second))
		_, err = v.sync(t, choose(first))
		require.ErrorIs(t, err, iteramp.ErrLedger, "the ledger is of another list")
		require.Empty(t, v.it.Members(first))
	})
}

func TestTwoCohortsOfOneName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		other := v.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
		s := v.new(t)
		for _, dry := range []bool{true, false} {
			plan, err := s.Plan(t.Context(), v.cohort)
			require.NoError(t, err)
			if !dry {
				_, err := plan.Apply(t.Context())
				require.NoError(t, err)
			}
			require.NoError(t, plan.Close())
			_, err = s.Sync(t.Context(), other)
			require.ErrorIs(t, err, iteramp.ErrListName)
			require.ErrorContains(t, err, v.cohort)
			require.ErrorContains(t, err, other)
		}
	})
}

func TestAListThatWasJustMadeMayBeUnknownForAMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		v.it.ListSettleAfter = 20 * time.Second
		_, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, users(3), v.members(t))
	})
}

func TestALostLedgerIsSeededFromTheList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		_, err := v.sync(t)
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(v.dir))
		v.amp.SetMembers(v.cohort, users(2)...)
		plan, err := v.new(t).Plan(t.Context(), v.cohort) // not asked for yet
		require.NoError(t, err)
		require.Equal(t, []int{2, 0}, []int{plan.Adds, plan.Removes})
		require.NoError(t, plan.Close())
		r, err := v.sync(t, func(c *iteramp.CohortSyncConfig) { c.SeedFromList = true })
		require.NoError(t, err)
		require.Equal(t, []int{2, 1}, []int{r.Kept, r.Removed})
		require.Equal(t, users(2), v.members(t))
	})
	v := newVendors(t)
	v.it.ProjectType = iterable.ProjectTypeEmail
	cfg := v.config(t)
	cfg.SeedFromList = true
	_, err := iteramp.NewCohortSync(cfg)
	require.ErrorContains(t, err, "SeedFromList")
}

func TestAnOutageIsWaitedOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(1500)...)
		start := time.Now()
		v.it.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			out := time.Since(start) < 20*time.Minute && strings.HasSuffix(r.URL.Path, "subscribe")
			if out {
				http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
			}
			return out
		})
		r, err := v.sync(t)
		require.NoError(t, err)
		require.Equal(t, 1500, r.Added)
		require.LessOrEqual(t, time.Since(start), 26*time.Minute)
		require.Less(t, len(v.it.Requests()), 60, "a probe now and then")
	})
}

func TestAKeyThatIsRefusedEndsTheSyncAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		v.it.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/subscribe") {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		})
		start := time.Now()
		r, err := v.sync(t)
		require.ErrorIs(t, err, iterable.ErrUnauthorized)
		require.Equal(t, 3, r.Failed)
		require.Less(t, time.Since(start), time.Minute)
		v.it.Intercept(nil)
		r, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, 3, r.Added)
	})
}

func TestTheDownloadQuota(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		v.amp.Downloads.PerMonth = 1
		_, err := v.sync(t)
		require.NoError(t, err)
		v.amp.Recompute(v.cohort)
		_, err = v.sync(t)
		require.ErrorIs(t, err, iteramp.ErrDownloadQuota)
		require.Equal(t, 1, v.downloads(), "nothing was asked for")
	})
}

func TestADownloadThatWasCutOffIsTakenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		v.amp.CohortDelay = 10 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := v.new(t).Sync(ctx, v.cohort)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, 1, v.downloads())

		v.amp.Recompute(v.cohort)
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = v.new(t).Sync(ctx, v.cohort)
		require.Error(t, err)
		time.Sleep(25 * time.Hour)
		_, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, 3, v.downloads(), "a day later it is asked for anew")
	})
}

// Whatever has become of the cohort since, a download is held against what it was
// when it was asked for.
func TestADownloadThatIsTakenUpMayBeOfAnotherSize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(100)...)
		v.amp.CohortDelay = 10 * time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := v.new(t).Sync(ctx, v.cohort)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v.amp.SetMembers(v.cohort, users(400)...)
		_, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, users(100), v.members(t))
		_, err = v.sync(t)
		require.NoError(t, err)
		require.Equal(t, users(400), v.members(t))
		require.Equal(t, 2, v.downloads())
	})
}

func TestRunKeepsCohortsEqual(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(3)...)
		gone := v.amp.AddCohort(amplitudetest.Cohort{Name: "Gone"})
		v.amp.DeleteCohort(gone)
		other := v.amp.AddCohort(amplitudetest.Cohort{Name: "Other", Members: []amplitudetest.Member{{UserID: "o-1"}}})
		var ended []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		s := v.new(t, func(c *iteramp.CohortSyncConfig) {
			c.Cohorts, c.Every = []string{v.cohort, gone, other}, time.Hour
			c.OnReport = func(r iteramp.CohortReport, err error) {
				require.Equal(t, r.CohortID == gone, err != nil)
				if r.CohortID == other {
					ended = append(ended, time.Since(start).Truncate(time.Minute))
				}
				if len(ended) == 3 {
					cancel()
				}
			}
		})
		require.Equal(t, 3*24*30, s.MonthlyDownloads())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		require.ErrorIs(t, s.Run(t.Context()), iteramp.ErrRunning)
		require.NoError(t, <-done)
		require.Equal(t, []time.Duration{0, time.Hour, 2 * time.Hour}, ended)
		require.Len(t, v.it.Lists(), 2)

		s = v.new(t, func(c *iteramp.CohortSyncConfig) { c.Cohorts = []string{gone, other} })
		require.ErrorIs(t, s.Run(t.Context()), iteramp.ErrCohortGone, "once, and the failures are told")
	})
}

// Whatever happened before: once the vendors are well, the list is the cohort but
// for those the report names, and nobody else's members are touched.
func TestSyncsConverge(t *testing.T) {
	t.Parallel()
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { converge(t, seed) })
	}
}

func converge(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	v := newVendors(t)
	id := v.it.AddList("[Amplitude] Lapsed", "foreign-1", "foreign-2")
	pick := func() (ids []string) {
		for _, i := range rng.Perm(120)[:20+rng.IntN(90)] {
			ids = append(ids, users(120)[i])
		}
		return ids
	}
	reasons := []iterabletest.Reason{iterabletest.ReasonConflict, iterabletest.ReasonInvalid, iterabletest.ReasonInvalidData}
	many := func(c *iteramp.CohortSyncConfig) { c.MaxRemovals = 1000 }
	for range 4 {
		v.amp.SetMembers(v.cohort, pick()...)
		v.it.Refuse(reasons[rng.IntN(len(reasons))], users(120)[rng.IntN(120)])
		trouble(v, rng)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(20_000))*time.Millisecond)
		v.new(t, many).Sync(ctx, v.cohort)
		cancel()
	}
	calm(t, v)
	want := pick()
	v.amp.SetMembers(v.cohort, want...)
	time.Sleep(25 * time.Hour)
	rejected := make(map[string]bool)
	r, err := v.sync(t, many, func(c *iteramp.CohortSyncConfig) {
		c.OnOutcome = func(o iteramp.CohortOutcome) {
			if o.Fate == iteramp.Rejected {
				rejected[o.UserID] = true
			}
		}
	})
	require.NoError(t, err, "seed %d", seed)
	refused := func(id string) bool { return rejected[id] }
	require.ElementsMatch(t, append(slices.DeleteFunc(want, refused), "foreign-1", "foreign-2"),
		slices.DeleteFunc(v.it.Members(id), refused), "seed %d: %+v", seed, r)
	before := v.writes()
	_, err = v.sync(t, many)
	require.NoError(t, err)
	v.amp.Recompute(v.cohort)
	_, err = v.sync(t, many)
	require.NoError(t, err)
	require.Equal(t, before, v.writes(), "seed %d: a second run writes nothing", seed)
}

// trouble has the next requests fail in all ways.
func trouble(v *vendors, rng *rand.Rand) {
	for range rng.IntN(6) {
		status := []int{0, 200, 200, 429, 500, 502, 503}[rng.IntN(7)]
		if rng.IntN(2) == 0 {
			v.it.LoseNext(status)
		} else {
			v.it.FailNext(status)
		}
		v.amp.FailNext([]int{0, 200, 200, 429, 500, 503}[rng.IntN(6)])
	}
}

// calm uses up what is left of the trouble.
func calm(t *testing.T, v *vendors) {
	cfg := v.config(t)
	for range 40 {
		cfg.Iterable.Lists.List(t.Context())
		cfg.Amplitude.Cohorts.List(t.Context(), amplitude.CohortListOptions{})
	}
}

func TestMistakesOfACohortSyncConfig(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	cfg := v.config(t)
	_, err := iteramp.NewCohortSync(iteramp.CohortSyncConfig{})
	for _, field := range []string{"Amplitude", "Iterable", "LedgerDir"} {
		require.ErrorContains(t, err, field)
	}
	for name, change := range map[string]func(*iteramp.CohortSyncConfig){
		"ProjectType": func(c *iteramp.CohortSyncConfig) {
			plain := v.it.Config()
			plain.ProjectType = ""
			c.Iterable, _ = iterable.NewClient(plain)
		},
		"LedgerDir":   func(c *iteramp.CohortSyncConfig) { c.LedgerDir = filepath.Join(v.dir, "a", "b") },
		"Cohorts[1]":  func(c *iteramp.CohortSyncConfig) { c.Cohorts = []string{"a", "a"} },
		"Every":       func(c *iteramp.CohortSyncConfig) { c.Every = -1 },
		"MaxRemovals": func(c *iteramp.CohortSyncConfig) { c.MaxRemovals = -1 },
	} {
		wrong := cfg
		change(&wrong)
		_, err := iteramp.NewCohortSync(wrong)
		require.ErrorContains(t, err, name)
	}
}

func TestProgressIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendors(t, users(1500)...)
		last := make(map[iteramp.Phase]iteramp.CohortProgress)
		_, err := v.sync(t, func(c *iteramp.CohortSyncConfig) {
			c.OnProgress = func(p iteramp.CohortProgress) { last[p.Phase] = p }
		})
		require.NoError(t, err)
		require.ElementsMatch(t, []iteramp.Phase{iteramp.PhaseWaiting, iteramp.PhaseDownloading, iteramp.PhaseComparing, iteramp.PhaseAdding},
			slices.Collect(maps.Keys(last)))
		require.Equal(t, iteramp.CohortProgress{CohortID: v.cohort, Phase: iteramp.PhaseAdding, Done: 1500, Total: 1500}, last[iteramp.PhaseAdding])
		require.Equal(t, iteramp.CohortProgress{CohortID: v.cohort, Phase: iteramp.PhaseDownloading, Done: 1500, Total: 1500}, last[iteramp.PhaseDownloading])
	})
}
