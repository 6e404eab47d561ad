module github.com/iteramp/iteramp/examples

go 1.26.0

require (
	github.com/iteramp/iteramp v0.0.0
	github.com/iteramp/iteramp/jetstream v0.0.0
	github.com/prometheus/client_golang v1.25.0
	github.com/schollz/progressbar/v3 v3.19.1
	github.com/stretchr/testify v1.12.1
	golang.org/x/term v0.48.0
)

require (
	github.com/alecthomas/kong v1.17.0 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace (
	github.com/iteramp/iteramp => ../
	github.com/iteramp/iteramp/jetstream => ../jetstream
)
