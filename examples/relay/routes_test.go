package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// readRoutes is what run does with a file of routes.
func readRoutes(t *testing.T, file string, log io.Writer, vars map[string]string) ([]routeSpec, error) {
	return options{Routes: file}.routes(env(vars), slog.New(slog.NewJSONHandler(log, nil)))
}

func TestTheExampleOfRoutesIsRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("routes.example.json")
	require.NoError(t, err)
	credentials := t.TempDir()
	for _, name := range []string{"shop-secret", "shop-amplitude-secret-key", "shop-iterable-key"} {
		require.NoError(t, os.WriteFile(filepath.Join(credentials, name), []byte(" content-of-"+name+" \n"), 0o400))
	}
	const unitDir = "/run/credentials/relay.service"
	require.Contains(t, string(text), unitDir)
	file := filepath.Join(t.TempDir(), "routes.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), unitDir, filepath.ToSlash(credentials))), 0o600))
	var log bytes.Buffer
	specs, err := readRoutes(t, file, &log, map[string]string{
		"SHOP_AMPLITUDE_KEY": "shop-key", "SHOP_SECRET_OLD": "old-secret-of-the-shop", "MAGAZINE_AMPLITUDE_KEY": "m-key", "MAGAZINE_SECRET": "secret-of-the-magazine",
	})
	require.NoError(t, err)
	require.Empty(t, log.String())
	shop := specs[0]
	require.Equal(t, []any{"shop", amplitude.RegionEU, "shop-key", "content-of-shop-secret", "old-secret-of-the-shop"},
		[]any{shop.Name, shop.Region, shop.APIKey.value, shop.Secrets[0].value, shop.Secrets[1].value})
	require.Equal(t, "content-of-shop-amplitude-secret-key", shop.SecretKey.value)
	require.Equal(t, "content-of-shop-iterable-key", shop.Iterable.APIKey.value)
	_, err = newServiceConfig(options{MaxBody: 1, MaxWaiting: 1, AnswerWithin: 1}, specs, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
}

func TestWrongRoutesAreNamedByFieldAndNeverByValue(t *testing.T) {
	t.Parallel()
	const good = `"api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}]`
	secretFile := filepath.Join(t.TempDir(), "hush-file")
	require.NoError(t, os.WriteFile(secretFile, nil, 0o600))
	for _, c := range []struct {
		file string
		says []string
	}{
		{`{`, []string{"unexpected EOF"}},
		{`{"routes":[]} hush`, []string{"something follows the JSON"}},
		{`{"routes":[}`, []string{"no JSON from byte 12 on"}},
		{`{"routes":[]}`, []string{"routes is empty"}},
		{`{"route":[]}`, []string{`unknown field "route"`}},
		{`{"routes":[{"colour":"hush",` + good + `},{"name":7, ` + good + `}]}`, []string{`routes[0]: json: unknown field "colour"`, "routes[1]: name is no text"}},
		{`{"routes":[{"rules":{"labels":"hush"},` + good + `}]}`, []string{"routes[0]: rules.labels is no true or false"}},
		{`{"routes":[{"rules":{"lables":true},` + good + `}]}`, []string{`routes[0]: json: unknown field "lables"`}},
		{`{"routes":[{}]}`, []string{"routes[0].api_key is missing", "routes[0].secrets is empty"}},
		{`{"routes":[{"api_key":"hush","secrets":["hush",{"env":"hush"},{"file":"/hush/hush"},{"file":"` + filepath.ToSlash(secretFile) + `"},{"env":"A","file":"B"},{"value":"hush"},7,null],"secret_key":"hush","iterable":{}}]}`, []string{
			`routes[0].api_key must not be written here: say {"env":"NAME"} or {"file":"PATH"}`,
			`routes[0].secrets[0] must not be written here`,
			"routes[0].secrets[1]: its environment variable is not set",
			"routes[0].secrets[2]: its file: ",
			"routes[0].secrets[3]: its file is empty",
			`routes[0].secrets[4] must be {"env":"NAME"} or {"file":"PATH"}`,
			"routes[0].secrets[5] must be", "routes[0].secrets[6] must be", "routes[0].secrets[7] must be",
			"routes[0].secret_key must not be written here",
			"routes[0].iterable.api_key is missing",
		}},
		{`{"routes":[{"rules":{"classes":["hush"],"drop":["emailOpen"],"only":[]},` + good + `},{"rules":{"classes":[]},` + good + `}]}`, []string{
			"routes[0].rules.classes[0] must be campaign, detail, personal or content", "routes[0].rules.drop and only exclude each other",
			"routes[0].rules.only is empty", "routes[1].rules.classes is empty",
		}},
	} {
		file := filepath.Join(t.TempDir(), "routes.json")
		require.NoError(t, os.WriteFile(file, []byte(c.file), 0o600))
		_, err := readRoutes(t, file, io.Discard, nil)
		for _, says := range c.says {
			require.ErrorContains(t, err, says, c.file)
		}
		require.NotContains(t, err.Error(), "hush")
	}
	_, err := readRoutes(t, filepath.Join(t.TempDir(), "none"), io.Discard, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWhatTheClientsAndTheRelayRefuseIsNamedByRoute(t *testing.T) {
	t.Parallel()
	file := routesFile(t,
		`{"region":"hush","api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}]}`,
		`{"base_url":"http://hush.example.com","api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}]}`)
	var out, errs bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), []string{"-routes", file}, &out, &errs, env(nil)))
	require.Contains(t, errs.String(), "routes[0]: amplitude: Config.Region must be US or EU")
	require.Contains(t, errs.String(), "routes[1]: amplitude: Config.BaseURL")
	require.NotContains(t, errs.String(), "hush")

	file = routesFile(t, `{"api_key":{"env":"KEY"},"secrets":[{"env":"SHORT"}]}`, `{"api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}]}`)
	errs.Reset()
	require.Equal(t, exitUsage, run(t.Context(), []string{"-routes", file}, &out, &errs, env(map[string]string{"SHORT": "hush"})))
	require.Contains(t, errs.String(), "Routes[0].Secrets[0]")
	require.Contains(t, errs.String(), "Routes[1].Name is that of Routes[0]")
	require.NotContains(t, errs.String(), "hush")
}

func TestAFileOfASecretThatOthersMayReadIsWarnedOf(t *testing.T) {
	t.Parallel()
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true} {
		secret := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(secret, []byte(testSecret), mode))
		require.NoError(t, os.Chmod(secret, mode))
		var log bytes.Buffer
		_, err := readRoutes(t, routesFile(t, `{"api_key":{"env":"KEY"},"secrets":[{"file":"`+secret+`"}]}`), &log, nil)
		require.NoError(t, err)
		require.Equal(t, warned, strings.Contains(log.String(), "others may read the file of a secret"), "%o", mode)
		require.NotContains(t, log.String(), testSecret)
		require.Equal(t, warned, strings.Contains(log.String(), "routes[0].secrets[0]"))
	}
}

func TestASingleRouteComesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"RELAY_AMPLITUDE_KEY": "the-key", "RELAY_REGION": "EU", "RELAY_SECRET": "the-new-secret", "RELAY_SECRET_OLD": "the-old-secret"}
	opts, err := parse(nil, io.Discard, env(vars))
	require.NoError(t, err)
	specs, err := opts.routes(env(vars), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Len(t, specs, 1)
	rt, err := specs[0].route(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "the-key", rt.Amplitude.APIKey())
	require.Equal(t, []string{"the-new-secret", "the-old-secret"}, rt.Secrets)
	require.Equal(t, amplitude.RegionEU, specs[0].Region)
	require.Equal(t, "default", specs[0].name())
}

func TestRulesOfTheFileAreThoseOfTheMapping(t *testing.T) {
	t.Parallel()
	event := func(name, user string) webhook.Event {
		e, err := webhook.Parse([]byte(`{"eventName":"` + name + `","userId":"` + user + `","email":"A@example.com","dataFields":{"ip":"192.0.2.1","campaignName":"c","url":"https://x.example/?q=1"}}`))
		require.NoError(t, err)
		return e
	}
	out, err := rulesSpec{}.rules().Event(event("emailClick", "u"), time.Now())
	require.NoError(t, err)
	want, err := mapping.Rules{}.Event(event("emailClick", "u"), time.Now())
	require.NoError(t, err)
	require.Equal(t, want.InsertID, out.InsertID)

	spec := rulesSpec{EmailFallback: true, Labels: true, Classes: []string{"personal"}, CutQuery: true, ClientData: true, Subscriptions: true, Namespace: "n", Drop: []webhook.Name{webhook.EmailSend}}
	rules := spec.rules()
	require.Equal(t, mapping.Personal, rules.Classes)
	require.Equal(t, []any{true, true, true, "n"}, []any{rules.CutQuery, rules.ClientData, rules.Subscriptions, rules.Namespace})
	out, err = rules.Event(event("emailClick", ""), time.Now())
	require.NoError(t, err)
	require.Equal(t, []string{"a@example.com", "[Iterable] Email Click"}, []string{out.UserID, out.EventType})
	_, err = rules.Event(event("emailSend", "u"), time.Now())
	require.ErrorIs(t, err, mapping.ErrFiltered)

	only := rulesSpec{Only: []webhook.Name{webhook.EmailClick}}.rules()
	require.NoError(t, only.Check(event("emailClick", "u")))
	require.ErrorIs(t, only.Check(event("emailOpen", "u")), mapping.ErrFiltered)
}

func TestAnEventNobodyKnowsIsWarnedOf(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	_, err := readRoutes(t, routesFile(t, `{"api_key":{"env":"KEY"},"secrets":[{"env":"SECRET"}],"rules":{"drop":["emailOpen","emailopen","newEvent"]}}`), &log, nil)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(log.String(), "no event of that name is known"))
	require.Contains(t, log.String(), "routes[0].rules.drop[1]")
	require.Contains(t, log.String(), "routes[0].rules.drop[2]")
}
