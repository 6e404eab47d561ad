module github.com/iteramp/iteramp/examples

go 1.26.0

require (
	github.com/iteramp/iteramp v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/iteramp/iteramp => ../
