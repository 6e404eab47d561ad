package main

// seeded is a bug, as a change of one place in the source. Most are bugs that
// programs of this kind have had.
type seeded struct {
	name string
	file string
	old  string // stands in the file once
	new  string
	rows string // where it must show
	with string // what the new text imports
}

var seededBugs = []seeded{
	{
		name: "answer before the store has acknowledged", file: "enqueue.go",
		old: `	g.err = rt.queue.Put(ctx, rt.name, g.frame)
`,
		new: `	g.err = nil
	frame := append([]byte(nil), g.frame...)
	go rt.queue.Put(context.WithoutCancel(ctx), rt.name, frame)
`,
		rows: "F01Virtual|F04Virtual|F03$",
	},
	{
		name: "embedded server without sync always", file: "jetstream/embed.go",
		old: `		SyncAlways: true,
`,
		new: `		SyncAlways: false,
`,
		rows: "F03$|F02$",
	},
	{
		name: "frame done before Amplitude's 200", file: "courier.go",
		old: `	for i := range f.parcels {
		c.send(ctx, &f.parcels[i], d.Taken() > 1)
	}
`,
		new: `	_ = d.Done(ctx)
	for i := range f.parcels {
		c.send(ctx, &f.parcels[i], d.Taken() > 1)
	}
`,
		rows: "F01Virtual",
	},
	{
		name: "frame done before its dead letter is stored", file: "courier.go",
		old: `	c.burials <- struct{}{}
	c.wg.Go(func() {
		defer func() { <-c.burials }()
`,
		new: `	c.burials <- struct{}{}
	c.wg.Go(func() {
		defer func() { <-c.burials }()
		_ = p.frame.delivery.Done(c.ctx)
`,
		rows: "F01Virtual",
	},
	{
		name: "what is a letter is sent when its frame comes again", file: "courier.go",
		old:  "		if l, ok := c.letterOf(ctx, p); ok {",
		new:  "		if l, ok := c.letterOf(ctx, p); ok && false {",
		rows: "F10",
	},
	{
		name: "what may be stored is given up over quota", file: "amplitude/shard.go",
		old:  "r == ReasonQuota && !st.mayBeStored():",
		new:  "r == ReasonQuota:",
		rows: "F01Virtual",
	},
	{
		name: "an answer lost before a repetition is forgotten", file: "amplitude/shard.go",
		old:  "(r == ReasonAmbiguous || settling.unsure)",
		new:  "r == ReasonAmbiguous",
		rows: "F01Virtual",
	},
	{
		name: "purge above the ack floor", file: "jetstream/tend.go",
		old:  "jetstream.WithPurgeSequence(p.floor+1))",
		new:  "jetstream.WithPurgeSequence(p.state.LastSeq))",
		rows: "F01Purge",
	},
	{
		name: "ledger: rename without a sync of the file", file: "internal/ledger/state.go",
		old: `	return errors.Join(err, f.Sync(), f.Close())
`,
		new: `	return errors.Join(err, f.Close())
`,
		rows: "F03Ledger",
	},
	{
		name: "ledger: rename without a sync of the directory", file: "internal/ledger/state.go",
		old: `		return err
	}
	return syncDir(root)
`,
		new: `		return err
	}
	return nil
`,
		rows: "F03Ledger",
	},
	{
		name: "ledger: a new directory is not synced in its parent", file: "internal/ledger/dir.go",
		old:  "	return syncDir(parent)\n",
		new:  "	return nil\n",
		rows: "F03Ledger",
	},
	{
		name: "ledger: a failed sync is ignored", file: "internal/ledger/journal.go",
		old: `	return j.file.Sync()
`,
		new: `	_ = j.file.Sync()
	return nil
`,
		rows: "F04Ledger",
	},
	{
		name: "any 200 is a success", file: "amplitude/answer.go",
		old: `	case status < 300:
		return outcome{kind: whole`,
		new: `	case status == 200:
		return outcome{kind: accepted}
	case status < 300:
		return outcome{kind: whole`,
		rows: "F11",
	},
	{
		name: "events_ingested is ignored", file: "amplitude/answer.go",
		old:  "if a.EventsIngested.n < len(items) {",
		new:  "if false {",
		rows: "F01Virtual|F11",
	},
	{
		name: "the lists of indexes are ignored", file: "amplitude/answer.go",
		old: `			for _, i := range group.fields[field] {
`,
		new: `			for _, i := range group.fields[field][:0] {
`,
		rows: "F15",
	},
	{
		name: "a 400 is sent again without end", file: "amplitude/answer.go",
		old: `		if status == http.StatusBadRequest && !a.wholeRequest() {
`,
		new: `		if false {
`,
		rows: "F15",
	},
	{
		name: "a 429 is repeated without the pause it asks for", file: "internal/rest/retry.go",
		old:  "if d := c.pause(resp); d > 0 {",
		new:  "if d := c.pause(resp); d < 0 {",
		rows: "F09Client",
	},
	{
		name: "a refused connection is the end of an event", file: "amplitude/shard.go",
		old: `		case r == ReasonThrottled, r == ReasonQuota:
`,
		new: `		case r == ReasonUnsent:
			s.settle(b, it, ReasonInvalid, err)
		case r == ReasonThrottled, r == ReasonQuota:
`,
		rows: "F08$",
	},
	{
		name: "attempts are counted instead of asking the budget", file: "internal/rest/retry.go",
		old: `	if !c.budget.take() {
`,
		new: `	if false {
`,
		rows: "F08Budget",
	},
	{
		name: "a webhook is dropped when the queue is full", file: "enqueue.go",
		old: `	o.Fate, o.Reason, o.Err = Failed, queueReason(g.err), g.err
	return 0
`,
		new: `	if errors.Is(g.err, ErrQueueFull) {
		return http.StatusOK
	}
	o.Fate, o.Reason, o.Err = Failed, queueReason(g.err), g.err
	return 0
`,
		rows: "F04Virtual",
	},
	{
		name: "400 when the queue fails", file: "enqueue.go",
		old: `	o.Fate, o.Reason, o.Err = Failed, queueReason(g.err), g.err
	return 0
`,
		new: `	return http.StatusBadRequest
`,
		rows: "F04Virtual",
	},
	{
		name: "200 when the queue is down", file: "relay.go",
		old: `	if rt.shut.closed() {
		return http.StatusServiceUnavailable, ""`,
		new: `	if rt.shut.closed() {
		return http.StatusOK, ""`,
		rows: "F04Virtual",
	},
	{
		name: "a body is cut to the limit instead of refused", file: "internal/hook/hook.go",
		old: `	in := http.MaxBytesReader(w, r.Body, maxBody)
`,
		new: `	in := io.LimitReader(r.Body, maxBody)
`,
		rows: "F14",
	},
	{
		name: "redirects are followed", file: "internal/rest/config.go",
		old: `	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
`,
		new:  "",
		rows: "F21",
	},
	{
		name: "a payload is logged", file: "relay.go",
		old: `	event, err := webhook.Parse(body)
	if err != nil {
`,
		new: `	event, err := webhook.Parse(body)
	r.cfg.Logger.Info("webhook", "body", string(body))
	if err != nil {
`,
		rows: "F07$",
	},
	{
		name: "the frame is struck out when it is handed out", file: "courier.go",
		old: `		case err == nil && failures > 0:
`,
		new: `		case err == nil && d.Done(ctx) != nil:
		case err == nil && failures > 0:
`,
		rows: "F01Virtual",
	},
	{
		name: "a random insert_id for each attempt", file: "mapping/rules.go",
		old:  "r.insertID(e, &p.identity)",
		new:  "r.insertID(e, &p.identity)+strconv.Itoa(rand.Int())",
		rows: "F06|F01Virtual",
		with: `"math/rand/v2" "strconv"`,
	},
	{
		name: "a random device_id", file: "mapping/rules.go",
		old: "	out.EventType, out.InsertID = ",
		new: `	out.DeviceID = "d" + strconv.Itoa(rand.Int())
	out.EventType, out.InsertID = `,
		rows: "F06|F07$",
		with: `"math/rand/v2" "strconv"`,
	},
	{
		name: "numbers go through float64", file: "mapping/properties.go",
		old: `		p.property(key, raw, key, value)
`,
		new: `		var f float64
		if json.Unmarshal(value, &f) == nil {
			value, _ = json.Marshal(f)
		}
		p.property(key, raw, key, value)
`,
		rows: "F16",
		with: `"encoding/json"`,
	},
	{
		name: "delivery stops at a frame that cannot be read", file: "courier.go",
		old: `	if err != nil {
		p := &f.parcels[0]
`,
		new: `	if err != nil {
		select {}
		p := &f.parcels[0]
`,
		rows: "F05Virtual",
	},
	{
		name: "a frame that cannot be read comes again for ever", file: "courier.go",
		old: `		c.refuse(p, ReasonFrame, err)
`,
		new: `		c.close(p, true)
`,
		rows: "F05Virtual",
	},
	{
		name: "a frame that cannot be read is skipped silently", file: "courier.go",
		old: `		c.refuse(p, ReasonFrame, err)
`,
		new: `		c.close(p, false)
`,
		rows: "F05Virtual",
	},
	{
		name: "Retry-After without a bound", file: "internal/rest/gate.go",
		old:  "min(max(pause, probeEvery), MaxPause)",
		new:  "max(pause, probeEvery)",
		rows: "F09$",
	},
	{
		name: "a pause does not end with the context", file: "internal/rest/retry.go",
		old: `	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
`,
		new: `	<-t.C
	return ctx.Err()
`,
		rows: "F09Client|F08Budget",
	},
	{
		name: "no jitter", file: "internal/rest/retry.go",
		old: `	return rand.N(ceiling) + 1
`,
		new: `	_ = rand.N(ceiling)
	return ceiling
`,
		rows: "F08Budget",
	},
	{
		name: "bodies of answers are not closed", file: "internal/rest/rest.go",
		old: `	defer answer.Body.Close()
`,
		new:  "",
		rows: "F22|F21",
	},
	{
		name: "a download without an end is taken for whole", file: "internal/rest/stream.go",
		old:  "	if answer.ProtoMajor < 2 && answer.ContentLength < 0",
		new:  "	if false && answer.ContentLength < 0",
		rows: "F17",
	},
	{
		name: "an empty download is taken for true", file: "cohortplan.go",
		old: `	case p.Members == 0:
		refused.Doubt = DoubtEmpty
`,
		new:  "",
		rows: "F18",
	},
	{
		name: "the bound of removals is ten times as high", file: "cohortplan.go",
		old:  "limit = max(100, p.managed/10)",
		new:  "limit = max(1000, p.managed)",
		rows: "F18",
	},
	{
		name: "members of others are taken off", file: "cohortplan.go",
		old:  "	if !p.sync.cfg.SeedFromList || st.ListID == 0",
		new:  "	if st.ListID == 0",
		rows: "F19|F17|F18",
	},
	{
		name: "failCount is ignored", file: "iterable/bulk.go",
		old: `	failed := min(max(len(named), *reply.FailCount), len(part))
`,
		new: `	failed := len(named)
`,
		rows: "F19",
	},
	{
		name: "users who are forgotten are sent again", file: "cohortplan.go",
		old: `	case (before == 0 || before == ledger.Gone) && p.ledger.IsForgotten(id):
`,
		new: `	case false:
`,
		rows: "F19",
	},
	{
		name: "channelUnsubscribe is left out", file: "iterable/lists.go",
		old:  "`json:\"channelUnsubscribe\"` // said",
		new:  "`json:\"channelUnsubscribe,omitempty\"` // said",
		rows: "F19",
	},
	{
		name: "a call that is not safe to repeat is repeated", file: "internal/rest/retry.go",
		old: `		if sent && !r.Idempotent {
`,
		new: `		if false {
`,
		rows: "F07Client",
	},
	{
		name: "an empty secret is taken", file: "internal/hook/secrets.go",
		old: `	case s == "":
		return errors.New("is empty")
	case len(s) < MinSecret:
`,
		new: `	case s != "" && len(s) < MinSecret:
`,
		rows: "F28",
	},
	{
		name: "secrets are compared byte by byte", file: "internal/hook/secrets.go",
		old: `			same := subtle.ConstantTimeCompare(sum[:], all[i][:])
`,
		new: `			same := 0
			if sum == all[i] {
				same = 1
			}
`,
		rows: "F20Source",
	},
	{
		name: "a wait goes by the wall clock", file: "enqueue.go",
		old:  "func (s *shutter) shut() { s.until.Store(new(time.Now().Add(shutFor))) }",
		new:  "func (s *shutter) shut() { s.until.Store(new(time.Now().Add(shutFor).Round(0))) }",
		rows: "F20Source",
	},
	{
		name: "net/http repeats requests unasked", file: "internal/rest/retry.go",
		old: `		if w.sent.Load() && !w.replay() {
			return nil, errReplay`,
		new: `		if false {
			return nil, errReplay`,
		rows: "F23$",
	},
	{
		name: "a server without a time limit for bodies", file: "examples/relay/service.go",
		old: `		ReadTimeout:       readWithin,
`,
		new:  "",
		rows: "F14",
	},
}
