package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// vendors are both of them behind sockets.
type vendors struct {
	amp           amplitudetest.Fake
	it            iterabletest.Fake
	ampURL, itURL string
	ampSrv, itSrv *httptest.Server
}

func newVendors(t *testing.T) *vendors {
	v := &vendors{}
	v.ampSrv, v.itSrv = httptest.NewServer(&v.amp), httptest.NewServer(&v.it)
	t.Cleanup(v.ampSrv.Close)
	t.Cleanup(v.itSrv.Close)
	v.ampURL, v.itURL = v.ampSrv.URL, v.itSrv.URL
	return v
}

func (v *vendors) check(t *testing.T, vars map[string]string, args ...string) (code int, lines string) {
	route := `{"name":"shop","api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}],"secret_key":{"env":"SECRET_KEY"},"base_url":"` + v.ampURL +
		`","iterable":{"api_key":{"env":"ITERABLE_KEY"},"base_url":"` + v.itURL + `"}}`
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"-check", "-routes", routesFile(t, route)}, args...), &out, &errs, env(vars))
	require.Empty(t, errs.String())
	require.Empty(t, v.amp.Events(), "a check sends nothing")
	for _, r := range append(v.amp.Requests(), amplitudetest.Request{Method: http.MethodGet}) {
		require.Equal(t, http.MethodGet, r.Method)
	}
	for _, r := range v.it.Requests() {
		require.Equal(t, []string{http.MethodGet, "/api/webhooks"}, []string{r.Method, r.Path})
	}
	for _, secret := range []string{testSecret, testKey, "test-secret", "test-api-key", "wrong-key"} {
		require.NotContains(t, out.String(), secret)
	}
	return code, out.String()
}

func TestACheckTellsWhatIsWellAndWhatIsNot(t *testing.T) {
	t.Parallel()
	ours := iterabletest.Webhook{ID: 7, Endpoint: "https://relay.example.com/iterable?t=hush", AuthType: "Basic", Enabled: true, BlastSendEnabled: true}
	change := func(f func(*iterabletest.Webhook)) iterabletest.Webhook {
		w := ours
		f(&w)
		return w
	}
	for _, c := range []struct {
		name     string
		webhooks []iterabletest.Webhook
		vars     map[string]string
		args     []string
		prepare  func(*vendors)
		code     int
		says     []string
	}{
		{name: "all well", webhooks: []iterabletest.Webhook{ours}, says: []string{
			"ok    settings: routes: 1, mode: embedded", "ok    shop: Amplitude's ingestion host answers", "ok    shop: Amplitude knows the keys and lists 1 cohorts",
			"ok    shop: Iterable knows the key and lists 1 webhooks",
			"ok    shop: webhook 7 to relay.example.com comes here, with sends of blast campaigns and none of triggered ones",
		}},
		{name: "another path", args: []string{"-path", "/hooks"}, webhooks: []iterabletest.Webhook{change(func(w *iterabletest.Webhook) { w.Endpoint = "https://relay.example.com/hooks" })},
			says: []string{"comes here"}},
		{name: "no webhook", code: 1, says: []string{"FAIL  shop: no webhook has the path /iterable: make one in Iterable"}},
		{name: "on another path", webhooks: []iterabletest.Webhook{ours}, args: []string{"-path", "/a", "-path", "/b"}, code: 1, says: []string{"no webhook has the path /a or /b"}},
		{name: "no authentication", webhooks: []iterabletest.Webhook{change(func(w *iterabletest.Webhook) { w.AuthType = "NoAuth" })}, code: 1,
			says: []string{`FAIL  shop: webhook 7 to relay.example.com must have the authentication type Basic, with the token "<amplitude_api_key>:<secret>"`}},
		{name: "disabled", webhooks: []iterabletest.Webhook{change(func(w *iterabletest.Webhook) { w.Enabled = false })}, code: 1, says: []string{"webhook 7 to relay.example.com is not enabled"}},
		{name: "one of two is good", webhooks: []iterabletest.Webhook{change(func(w *iterabletest.Webhook) { w.ID, w.Enabled = 6, false }), ours}, says: []string{"ok    shop: webhook 7"}},
		{name: "some channels only", webhooks: []iterabletest.Webhook{change(func(w *iterabletest.Webhook) { w.ChannelIDs = []int64{1} })}, says: []string{"of some channels or message types only"}},
		{name: "Amplitude's own too", webhooks: []iterabletest.Webhook{ours, {ID: 8, Endpoint: "https://api.amplitude.com/iterable", AuthType: "Basic", Enabled: true}}, code: 1,
			says: []string{"ok    shop: webhook 7", "FAIL  shop: webhook 8 goes to Amplitude itself: both together count every event twice, switch one off"}},
		{name: "Amplitude's own, switched off", webhooks: []iterabletest.Webhook{ours, {ID: 8, Endpoint: "https://api.amplitude.com/iterable", AuthType: "Basic"}}, says: []string{"ok    shop: webhook 7"}},
		{name: "Amplitude refuses the key", webhooks: []iterabletest.Webhook{ours}, vars: map[string]string{"SECRET_KEY": "wrong-key"}, code: 1,
			says: []string{"ok    shop: Amplitude's ingestion host answers", "FAIL  shop: Amplitude refuses the keys: look at api_key, secret_key and region", "ok    shop: webhook 7"}},
		{name: "Iterable refuses the key", vars: map[string]string{"ITERABLE_KEY": "wrong-key"}, code: 1, says: []string{"FAIL  shop: Iterable refuses the key: it must be a server-side key"}},
		{name: "Amplitude is away", webhooks: []iterabletest.Webhook{ours}, prepare: func(v *vendors) { v.ampSrv.Close() }, code: 1,
			says: []string{"FAIL  shop: Amplitude cannot be reached: ", "look at proxies, firewalls and region", "ok    shop: webhook 7"}},
		{name: "Iterable is away", prepare: func(v *vendors) { v.itSrv.Close() }, code: 1, says: []string{"FAIL  shop: Iterable cannot be reached: "}},
		{name: "both fail", prepare: func(v *vendors) { v.amp.FailNext(500, 500); v.it.FailNext(500) }, code: 1, says: []string{
			"ok    shop: Amplitude's ingestion host answers", "FAIL  shop: Amplitude lists no cohorts: ", "FAIL  shop: Iterable lists no webhooks: ",
		}},
		{name: "short secret", vars: map[string]string{"SECRET": "hush"}, code: 1, says: []string{"FAIL  settings: iteramp: Routes[0].Secrets[0]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := newVendors(t)
			v.amp.AddCohort(amplitudetest.Cohort{Name: "Lapsed"})
			for _, w := range c.webhooks {
				v.it.AddWebhook(w)
			}
			if c.prepare != nil {
				c.prepare(v)
			}
			code, lines := v.check(t, c.vars, c.args...)
			require.Equal(t, c.code, code, lines)
			for _, says := range c.says {
				require.Contains(t, lines, says)
			}
			require.Equal(t, c.code == 1, strings.Contains(lines, "FAIL  "))
			require.NotContains(t, lines, "hush")
		})
	}
}

func TestACheckSaysWhatItCouldNotLookAt(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	var out, errs bytes.Buffer
	file := routesFile(t, `{"api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}],"base_url":"`+v.ampURL+`"}`)
	require.Zero(t, run(t.Context(), []string{"-check", "-direct", "-routes", file}, &out, &errs, env(nil)))
	require.Contains(t, out.String(), "mode: direct")
	require.Contains(t, out.String(), "note  default: give secret_key")
	require.Contains(t, out.String(), "note  default: give iterable.api_key")
	require.Empty(t, v.it.Requests())
}
