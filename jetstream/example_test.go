package jetstream_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/jetstream"
)

// A webhook is answered when it is stored, and delivered by Run, in this process or
// in the next one that opens the directory.
func ExampleEmbed() {
	ctx := context.Background()
	tmp, err := os.MkdirTemp("", "relay-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(tmp)
	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: filepath.Join(tmp, "queue"), MaxBytes: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	var fake amplitudetest.Fake // Amplitude
	client, err := amplitude.NewClient(fake.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(ctx)
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes:     []iteramp.Route{{Amplitude: client, Secrets: []string{"a-long-random-text"}}},
		Queue:      store.Queue(),
		DeadLetter: store.DeadLetter(),
		OnOutcome: func(_ context.Context, o iteramp.RelayOutcome) {
			fmt.Println(o.Name, "is", o.Fate)
			stop()
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	rec := httptest.NewRecorder()
	relay.ServeHTTP(rec, iterabletest.WebhookRequest("test-key:a-long-random-text", iterabletest.Payload(webhook.EmailClick)))
	fmt.Println("answered", rec.Code, "with", len(fake.Events()), "events at Amplitude")

	var wg sync.WaitGroup
	wg.Go(func() { fmt.Println("Run:", relay.Run(ctx)) })
	wg.Wait()
	fmt.Println(len(fake.Events()), "event at Amplitude")
	fmt.Println("Close:", store.Close())
	// Output:
	// answered 200 with 0 events at Amplitude
	// emailClick is delivered
	// Run: <nil>
	// 1 event at Amplitude
	// Close: <nil>
}

// Dead letters can be looked at, sent again and deleted.
func ExampleStore_DeadLetter() {
	ctx := context.Background()
	tmp, err := os.MkdirTemp("", "relay-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(tmp)
	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: filepath.Join(tmp, "queue")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	letters := store.DeadLetter()
	err = letters.Put(ctx, iteramp.Letter{
		ID: "itbl1-0a1b2c", Route: "shop", Reason: "quota", Status: 429, Attempts: 1, First: time.Now(), Last: time.Now(),
		Webhook: []byte(`{"eventName":"emailOpen","userId":"user-1"}`),
	})
	fmt.Println(err)
	for l, err := range letters.All(ctx) {
		fmt.Println(l.Route, l.ID, l.Reason, l.Status, err) // or relay.Replay(ctx, l)
	}
	purged, _, err := iteramp.PurgeLetters(ctx, letters, "user-1")
	fmt.Println(purged, err)
	// Output:
	// <nil>
	// shop itbl1-0a1b2c quota 429 <nil>
	// 1 <nil>
}
