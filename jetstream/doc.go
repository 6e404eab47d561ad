// Package jetstream keeps a relay's webhooks in NATS JetStream until they are
// delivered: in a server inside your process, on files, or on a cluster of yours.
// Every write is synced before it is acknowledged, so that what a
// [iteramp.Relay] has answered with 200 outlives a crash and the loss of power.
//
// It is a module of its own: who does without it does without the server.
//
// # On one machine
//
//	store, err := jetstream.Embed(ctx, jetstream.EmbedConfig{Dir: "/var/lib/relay", Logger: logger})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
//		Routes: routes, Queue: store.Queue(), DeadLetter: store.DeadLetter(),
//	})
//	...
//	err = relay.Run(ctx) // and serve it; close the store when both have ended
//
// The server listens on no port. Dir belongs to one process at a time: another
// gets [ErrBusy]. It holds personal data and must be writable by its user alone.
// Put it on a disk of its own, so that nothing else fills that up.
//
// # On a cluster
//
//	store, err := jetstream.Connect(ctx, "nats://10.0.0.1,nats://10.0.0.2,nats://10.0.0.3",
//		jetstream.ConnectConfig{
//			Monitors: []string{"http://10.0.0.1:8222", "http://10.0.0.2:8222", "http://10.0.0.3:8222"},
//			Logger:   logger,
//		},
//		nats.UserCredentials("relay.creds"))
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// Any number of relays may share it, behind a load balancer. All accept; of each
// route one delivers at a time, and another takes its place at once when it is
// closed, within 15 seconds when it dies.
//
// Whoever runs the cluster sees to these:
//
//   - sync_interval: always, in the jetstream block of every server. The default
//     syncs every two minutes: a loss of power then takes what was acknowledged
//     since, and can take the streams themselves. With Monitors, Connect checks it.
//   - Three servers in three failure domains.
//   - A file system with checksums under store_dir (ZFS, btrfs). A server does not
//     mend a replica whose blocks are damaged.
//   - An alarm when the replicas of a stream differ in their number of messages.
//   - No server is removed from the cluster while another one is cut off.
//   - Servers of version 2.15, which sync replicated writes in groups. 2.14.9 works
//     as well, older than 2.14 is refused.
//
// See https://docs.nats.io/running-a-nats-service/configuration/resource_management/configuration_jetstream
// for the settings.
//
// # Budgets
//
// Each route has a stream with a budget of its own, [EmbedConfig.MaxBytes], and all
// dead letters share another. A GiB holds about 900,000 webhooks of 1 KB. Over the
// budget a write fails with [iteramp.ErrQueueFull] and the relay answers 503:
// nothing is thrown out, for its age or to make room. What is done is removed
// within 10 seconds; after a crash, when what was open has been handed out again.
// [Store.Backlog] and [Store.Letters] tell how full they are.
//
// A frame, which is the webhooks that one write holds, may have 2 MiB in an embedded
// server, and in a cluster what its max_payload says, less some bytes for headers.
//
// # What is promised
//
// A write that returned nil is on disk, in a cluster on two of three. Its frame is
// handed out until it is done, at least once, and in order while the same process
// delivers: what was open comes again at once after a stop, and up to a minute later
// after a crash.
//
// After a failed write, a full disk for one, an embedded store takes nothing:
// writes fail at once with [ErrNotReady], and it opens its server anew until that
// works. Nobody has to help, and nothing that was acknowledged is missing.
//
// # What is not
//
// Whoever loses the disk of an embedded store loses what waits on it. A cluster of
// three survives one server. When that was the one that leads, nothing is accepted
// for 4 to 7 seconds, sometimes 10, and the relay answers 503 after its AnswerWithin.
//
// A store that is damaged starts, delivers what it can read, and counts what is
// missing in [Backlog.Missing], with an error in the log. A flipped bit can cost the
// rest of its block, which is up to 8 MiB. Where the end of a stream is lost, what is
// left of it is delivered once more, done or not: Amplitude recognises what it had.
// In a cluster, only gaps are seen: watch the replicas. After a loss each new frame is
// read back before its webhooks are answered. If the server does not find it, because
// it writes on behind the damage, the relay answers 503, until somebody moves the
// store's directory aside and starts the relay anew.
//
// Drives that claim to have synced and have not are beyond this package.
//
// # Memory
//
// An embedded server under full load takes some hundred MB if the garbage collector
// lets it. Set GOMEMLIMIT: 200MiB costs a fifth of the throughput, 100MiB half.
//
// # Errors
//
// No error and no log record holds a frame, a letter, an id or a credential.
// Compare with [errors.Is]: [ErrNotReady], [ErrClosed], [ErrBusy],
// [iteramp.ErrQueueFull], [iteramp.ErrFrameTooLarge], [iteramp.ErrNoLetter].
package jetstream
