package iterabletest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestManyClientsAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.Rates = map[string]Rate{"POST /api/lists/subscribe": {Requests: 1000}}
	list := f.AddList("Gold")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				accepted(t, f, "/api/lists/subscribe", subscribeBody(list, fmt.Sprintf(`{"userId":"u-%d-%d"},{"userId":"u-%d"}`, i, j, j)))
				get(t, f, fmt.Sprintf("/api/lists/getUsers?listId=%d", list))
				f.Users()
			}
		})
	}
	wg.Wait()
	require.Len(t, f.Members(list), 90)
	require.Len(t, f.Requests(), 160)
}

func TestTheLogCountsRecordsAndBytes(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.FailNext(http.StatusServiceUnavailable)
	body := subscribeBody(1, `{"userId":"a"},{"userId":"b"}`)
	post(t, f, "/api/lists/subscribe", body)
	get(t, f, "/api/nothing")
	log := f.Requests()
	require.Equal(t, Request{
		Time: log[0].Time, Method: "POST", Path: "/api/lists/subscribe", Op: "POST /api/lists/subscribe", Status: 503, Records: 2, Bytes: len(body),
	}, log[0])
	require.Equal(t, Request{Time: log[1].Time, Method: "GET", Path: "/api/nothing", Status: 404}, log[1])
}

func TestAMemberWhoLeavesDisturbsNobody(t *testing.T) {
	t.Parallel()
	f := byUserID()
	gold, silver := f.AddList("Gold", "a", "b", "c", "d"), f.AddList("Silver", "d", "c", "b")
	for _, step := range []struct {
		list         int64
		id           string
		gold, silver []string
	}{
		{gold, "a", []string{"b", "c", "d"}, []string{"b", "c", "d"}},
		{silver, "d", []string{"b", "c", "d"}, []string{"b", "c"}},
		{gold, "d", []string{"b", "c"}, []string{"b", "c"}},
		{gold, "d", []string{"b", "c"}, []string{"b", "c"}},
		{gold, "b", []string{"c"}, []string{"b", "c"}},
		{silver, "c", []string{"c"}, []string{"b"}},
		{gold, "c", []string{}, []string{"b"}},
	} {
		accepted(t, f, "/api/lists/unsubscribe", subscribeBody(step.list, `{"userId":"`+step.id+`"}`))
		require.Equal(t, step.gold, f.Members(gold))
		require.Equal(t, step.silver, f.Members(silver))
	}
}
