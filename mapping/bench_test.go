package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// BenchmarkWebhook is one 1.2 KB webhook from its bytes to the bytes of the
// event. The floor does the same with encoding/json and maps.
func BenchmarkWebhook(b *testing.B) {
	body := compact(b, iterabletest.Payload(webhook.EmailClick))
	b.Run("iteramp", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			in, err := webhook.Parse(body)
			if err != nil {
				b.Fatal(err)
			}
			e, err := mapping.Rules{}.Event(in, received)
			if err != nil {
				b.Fatal(err)
			}
			if out, err = e.AppendJSON(out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor=encodingjson", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := withMaps(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// withMaps maps a webhook as one would with the standard library alone. It gets
// the insert_id for nothing.
func withMaps(body []byte) ([]byte, error) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	data, _ := in["dataFields"].(map[string]any)
	createdAt, _ := data["createdAt"].(string)
	at, err := time.Parse("2006-01-02 15:04:05 -07:00", createdAt)
	if err != nil {
		return nil, err
	}
	properties := make(map[string]any, len(data))
	for k, v := range data {
		switch k {
		case "email", "userId", "createdAt", "emailId", "esDocumentId", "ip", "userAgent":
			continue
		}
		if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
			continue
		}
		properties[k] = v
	}
	return json.Marshal(map[string]any{
		"user_id":          in["userId"],
		"event_type":       "[Iterable] " + in["eventName"].(string),
		"time":             at.UnixMilli(),
		"insert_id":        "itbl1-" + strings.Repeat("0", 40),
		"event_properties": properties,
	})
}

func BenchmarkStages(b *testing.B) {
	body := compact(b, iterabletest.Payload(webhook.EmailClick))
	in, err := webhook.Parse(body)
	if err != nil {
		b.Fatal(err)
	}
	for name, stage := range map[string]func(){
		"Parse":    func() { webhook.Parse(body) },
		"Event":    func() { mapping.Rules{}.Event(in, received) },
		"InsertID": func() { mapping.Rules{}.InsertID(in) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stage()
			}
		})
	}
}
