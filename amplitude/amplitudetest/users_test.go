package amplitudetest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func change(t *testing.T, f *Fake, userProperties string) {
	t.Helper()
	status, _ := send(t, f, `{"user_id":"u-1001","event_type":"$identify","user_properties":`+userProperties+`}`)
	require.Equal(t, 200, status)
}

func TestOperatorsChangeTheStoredProperties(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, before, change, after string }{
		{"plain properties are set", `{"a":1,"b":2}`, `{"b":3,"c":4}`, `{"a":1,"b":3,"c":4}`},
		{"$set", `{"a":1}`, `{"$set":{"a":2,"b":{"c":[1]}}}`, `{"a":2,"b":{"c":[1]}}`},
		{"$setOnce", `{"a":1}`, `{"$setOnce":{"a":2,"b":2}}`, `{"a":1,"b":2}`},
		{"$add to a number", `{"a":1}`, `{"$add":{"a":2.5}}`, `{"a":3.5}`},
		{"$add to nothing", `{}`, `{"$add":{"a":-2}}`, `{"a":-2}`},
		{"$add to text", `{"a":"x"}`, `{"$add":{"a":1}}`, `{"a":"x"}`},
		{"$append a value", `{"a":[1]}`, `{"$append":{"a":2}}`, `{"a":[1,2]}`},
		{"$append to a value", `{"a":"x"}`, `{"$append":{"a":["y","z"]}}`, `{"a":["x","y","z"]}`},
		{"$append to nothing", `{}`, `{"$append":{"a":"x"}}`, `{"a":["x"]}`},
		{"$prepend", `{"a":[3]}`, `{"$prepend":{"a":[1,2]}}`, `{"a":[1,2,3]}`},
		{"$preInsert", `{"a":[3,2]}`, `{"$preInsert":{"a":[1,2]}}`, `{"a":[1,3,2]}`},
		{"$postInsert", `{"a":[3,2]}`, `{"$postInsert":{"a":[2,1]}}`, `{"a":[3,2,1]}`},
		{"$remove", `{"a":[1,2,1,3]}`, `{"$remove":{"a":[1,3],"b":1}}`, `{"a":[2]}`},
		{"$unset", `{"a":1,"b":2}`, `{"$unset":{"a":"-"}}`, `{"b":2}`},
		{"$clearAll", `{"a":1}`, `{"$clearAll":"-"}`, `{}`},
		{"$clearAll as the Go SDK sends it", `{"a":1}`, `{"$clearAll":{"-":null}}`, `{}`},
		{"in Amplitude's order, not in that of the request", `{"a":1,"b":1}`,
			`{"$append":{"a":3},"$add":{"a":1},"$setOnce":{"b":9},"$set":{"a":5},"$unset":{"b":"-"},"$clearAll":"-"}`,
			`{"a":[6,3],"b":9}`},
		{"in Amplitude's order on one property", `{"a":7}`,
			`{"$remove":{"a":3},"$postInsert":{"a":[4,3]},"$preInsert":{"a":[-1,0]},"$prepend":{"a":0},"$append":{"a":3},
			"$add":{"a":1},"$setOnce":{"a":9},"$set":{"a":1},"$unset":{"a":"-"}}`,
			`{"a":[-1,0,2,4]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			change(t, &f, test.before)
			change(t, &f, test.change)
			var want map[string]any
			require.NoError(t, json.Unmarshal([]byte(test.after), &want))
			require.Equal(t, want, f.UserProperties("u-1001"))
			require.Empty(t, f.Events(), "an $identify is no event")
		})
	}
}

func TestSumsOfIntegersAreExact(t *testing.T) {
	t.Parallel()
	var f Fake
	change(t, &f, `{"a":9007199254740992}`)
	change(t, &f, `{"$add":{"a":1}}`)
	require.Equal(t, json.Number("9007199254740993"), f.people.byUser["u-1001"].properties["a"])
}

func TestPropertiesApplyToLaterEventsOnly(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f,
		`{"user_id":"u-1001","event_type":"1"}`,
		`{"user_id":"u-1001","event_type":"2","user_properties":{"plan":"gold"}}`,
		`{"user_id":"u-1001","event_type":"3","user_properties":{"$append":{"tags":"x"}}}`,
		`{"user_id":"u-1001","event_type":"4","user_properties":{"plan":"none"},"$skip_user_properties_sync":true}`,
		`{"user_id":"u-1001","event_type":"5"}`)
	lines := exported(t, &f)
	for i, want := range []string{`{}`, `{"plan":"gold"}`, `{"plan":"gold","tags":["x"]}`, `{"plan":"none"}`, `{"plan":"gold","tags":["x"]}`} {
		require.Contains(t, lines[i], `"user_properties":`+want+`,`)
	}
	require.Equal(t, map[string]any{"plan": "none"}, f.Events()[3].UserProperties)
	require.Nil(t, f.Events()[4].UserProperties)
}

func TestARepeatedChangeIsAppliedOnce(t *testing.T) {
	t.Parallel()
	var f Fake
	event := `{"user_id":"u-1001","event_type":"$identify","insert_id":"i","user_properties":{"$add":{"orders":1}}}`
	send(t, &f, event)
	send(t, &f, event)
	require.Equal(t, map[string]any{"orders": 1.0}, f.UserProperties("u-1001"))
	require.Equal(t, 1, f.Duplicates())
}

func TestGroupPropertiesComeWithGroupIdentifyOnly(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f,
		`{"user_id":"u-1001","event_type":"x","groups":{"org":"acme"},"group_properties":{"seats":1}}`,
		`{"user_id":"u-1001","event_type":"$groupidentify","groups":{"org":"acme"},"group_properties":{"$add":{"seats":5}}}`,
		`{"user_id":"u-1001","event_type":"y","groups":{"org":["acme","other"]}}`)
	require.Equal(t, map[string]any{"seats": 5.0}, f.GroupProperties("org", "acme"))
	require.Nil(t, f.GroupProperties("org", "other"))
	require.Len(t, f.Events(), 2)
	require.Contains(t, exported(t, &f)[1], `"group_properties":{"org":{"acme":{"seats":5}}}`)
}

func TestDevicesAndUsersBecomeOnePerson(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f,
		`{"device_id":"d-1001","event_type":"anonymous","user_properties":{"from":"device","tour":1}}`,
		`{"user_id":"u-1001","event_type":"elsewhere","user_properties":{"from":"user"}}`)
	require.Equal(t, map[string]any{"from": "device", "tour": 1.0}, f.UserProperties("d-1001"))
	send(t, &f,
		`{"user_id":"u-1001","device_id":"d-1001","event_type":"sign in"}`,
		`{"device_id":"d-1001","event_type":"known device"}`,
		`{"user_id":"u-1002","device_id":"d-1001","event_type":"another user"}`,
		`{"device_id":"d-1002","event_type":"new device"}`,
		`{"user_id":"u-1003","device_id":"d-1002","event_type":"its first user"}`)
	require.Equal(t, map[string]any{"from": "user", "tour": 1.0}, f.UserProperties("u-1001"))
	require.Nil(t, f.UserProperties("d-1001"))
	require.Nil(t, f.UserProperties("u-9999"))

	type who struct {
		UserID      *string `json:"user_id"`
		AmplitudeID int64   `json:"amplitude_id"`
	}
	var got []who
	for _, line := range exported(t, &f) {
		var w who
		require.NoError(t, json.Unmarshal([]byte(line), &w))
		got = append(got, w)
	}
	require.Equal(t, []who{
		{nil, firstAmplitudeID + 1},
		{new("u-1001"), firstAmplitudeID + 2},
		{new("u-1001"), firstAmplitudeID + 2},
		{new("u-1001"), firstAmplitudeID + 2},
		{new("u-1002"), firstAmplitudeID + 3},
		{nil, firstAmplitudeID + 4},
		{new("u-1003"), firstAmplitudeID + 4},
	}, got)
}
