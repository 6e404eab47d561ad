module github.com/iteramp/iteramp/jetstream

go 1.26.0

require (
	github.com/iteramp/iteramp v0.0.0
	github.com/nats-io/nats-server/v2 v2.15.2
	github.com/nats-io/nats.go v1.55.0
	github.com/stretchr/testify v1.12.1
)

replace github.com/iteramp/iteramp => ../
