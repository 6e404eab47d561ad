module github.com/iteramp/iteramp/jetstream

go 1.26.0

require github.com/iteramp/iteramp v0.0.0

replace github.com/iteramp/iteramp => ../
