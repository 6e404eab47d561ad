package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// network is one between a client and a server, with weather.
type network struct {
	t     *testing.T
	rng   *rand.Rand
	to    string
	proxy *toxiproxy.Proxy
	url   string
}

var networks atomic.Uint32

func newNetwork(t *testing.T, rng *rand.Rand, to string) *network {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some of its parts make loggers of their own
	n := &network{t: t, rng: rng, to: strings.TrimPrefix(to, "http://")}
	// At an address of its own: while it is closed nobody else is given its port.
	k := networks.Add(1)
	n.turn(fmt.Sprintf("127.1.%d.%d:0", k>>8&0xff, k&0xff))
	n.url = "http://" + n.proxy.Listen
	t.Cleanup(func() { n.proxy.Stop() })
	return n
}

// turn breaks all connections; the next ones have the weather that is given. The
// library loses count of what it does to a connection if that changes.
func (n *network) turn(listen string, weather ...string) {
	n.t.Helper()
	n.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "network", listen, n.to)
	for i, w := range weather {
		_, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":"%d",%s}`, i, w)))
		require.NoError(n.t, err, w)
	}
	// A process that is just being started holds what was open here until it runs.
	require.EventuallyWithT(n.t, func(c *assert.CollectT) { require.NoError(c, n.proxy.Start()) }, 5*time.Second, 10*time.Millisecond)
}

// change makes the weather one kind, or several, or fair.
func (n *network) change() (weather []string) {
	n.t.Helper()
	for range n.rng.IntN(3) {
		kind, attributes := "latency", fmt.Sprintf(`"latency":%d,"jitter":%d`, n.rng.IntN(5000), n.rng.IntN(500))
		switch n.rng.IntN(7) {
		case 0:
			kind, attributes = "bandwidth", fmt.Sprintf(`"rate":%d`, 1+n.rng.IntN(20)) // KB a second
		case 1:
			kind, attributes = "slicer", `"average_size":1,"size_variation":0,"delay":50`
		case 2:
			kind, attributes = "limit_data", fmt.Sprintf(`"bytes":%d`, n.rng.IntN(3000))
		case 3:
			kind, attributes = "reset_peer", fmt.Sprintf(`"timeout":%d`, n.rng.IntN(200))
		case 4:
			kind, attributes = "slow_close", fmt.Sprintf(`"delay":%d`, n.rng.IntN(2000))
		case 5:
			kind, attributes = "timeout", `"timeout":0` // nothing gets through
		}
		weather = append(weather, fmt.Sprintf(`"type":%q,"stream":%q,"toxicity":%.1f,"attributes":{%s}`,
			kind, pick(n.rng, "upstream", "downstream"), pick(n.rng, 1, 0.5), attributes))
	}
	n.proxy.Stop()
	n.turn(n.proxy.Listen, weather...)
	return weather
}

func (n *network) calm() {
	n.proxy.Stop()
	n.turn(n.proxy.Listen)
}

// A relay in a process of its own has weather on both of its sides, which changes all
// the time.
func TestF27(t *testing.T) {
	whole(t, "F27", "network weather, the relay", counts{20, 200, 1_000}, func(t *testing.T, rng *rand.Rand, n int) {
		v := newVendor(t, rng.Uint64())
		dir, l := storeDir(t), new(ledger)
		out := newNetwork(t, rng, v.url)
		p := start(t, order{Amplitude: out.url, Dir: dir})
		in := newNetwork(t, rng, p.url)

		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			drive(ctx, in.url, l, 8)
		}()
		for range n {
			pick(rng, out, in).change()
			<-time.After(time.Duration(100+rng.IntN(1500)) * time.Millisecond)
			if rng.IntN(4) == 0 { // some get through
				in.calm()
			}
		}
		cancel()
		<-stopped
		p.stop(t)
		broken := 0
		for _, r := range v.fake.Requests() {
			if r.Status == 0 {
				broken++
			}
		}
		t.Logf("%d webhooks were sent, %d answered 200; %d uploads broke off", l.next, l.count(), broken)
		require.Greater(t, l.next, l.count(), "no webhook was lost on its way")
		require.Greater(t, l.count(), n, "hardly a webhook was taken")
		out.calm()
		finish(t, v, dir, l)
	})
}

// A cohort is brought to a list through weather, by a program that tries until it
// succeeds.
func TestF27Cohort(t *testing.T) {
	// A run takes up to half a minute, so there are fewer.
	each(t, "F27 b", "network weather, a cohort to a list", counts{6, 100, 500}, func(t *testing.T, rng *rand.Rand) {
		var a amplitudetest.Fake
		var i iterabletest.Fake
		i.ProjectType = iterable.ProjectTypeUserID
		cohort, want := amplitudetest.Cohort{Name: "buyers"}, []string{}
		for n := range 50 + rng.IntN(200) {
			id := fmt.Sprint("user-", n)
			cohort.Members, want = append(cohort.Members, amplitudetest.Member{UserID: id}), append(want, id)
		}
		id := a.AddCohort(cohort)
		list := i.AddList("[Amplitude] buyers", "user-old", "user-1")
		ours, theirs := httptest.NewServer(&a), httptest.NewServer(&i)
		t.Cleanup(ours.Close)
		t.Cleanup(theirs.Close)
		one, other := newNetwork(t, rng, ours.URL), newNetwork(t, rng, theirs.URL)

		transport := http.DefaultTransport.(*http.Transport).Clone()
		t.Cleanup(transport.CloseIdleConnections)
		hc := &http.Client{Transport: transport, Timeout: 2 * time.Second}
		from, err := amplitude.NewClient(amplitude.Config{APIKey: "test-key", SecretKey: "test-secret", BaseURL: one.url, HTTPClient: hc, Logger: logs})
		require.NoError(t, err)
		to, err := iterable.NewClient(iterable.Config{APIKey: "test-api-key", ProjectType: i.ProjectType, BaseURL: other.url, HTTPClient: hc, Logger: logs})
		require.NoError(t, err)
		sync, err := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: from, Iterable: to, LedgerDir: filepath.Join(storeDir(t), "ledger"), Logger: logs})
		require.NoError(t, err)

		failed := 0
		for tries := 0; ; tries++ {
			var weather []string
			if tries < 3 {
				weather = append(one.change(), other.change()...)
			} else {
				one.calm()
				other.calm()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			begun := time.Now()
			_, err := sync.Sync(ctx, id)
			took := time.Since(begun)
			cancel()
			require.LessOrEqual(t, took, 10*time.Second, "%v", weather)
			if err == nil {
				break
			}
			failed++
			namesNobody(t, err)
			require.Less(t, tries, 10, "%v", err)
		}
		t.Log(failed, "syncs failed")
		require.ElementsMatch(t, append(want, "user-old"), i.Members(list))
	})
}
