// Package conformance checks what the client of Iterable sends and what the fake
// Iterable answers against Iterable's own Swagger file. It is tests, in a module of
// its own: the validator reaches nobody who uses the client.
//
//	go test -v -run Coverage .
//
// prints which operations are covered. testdata/iterable-swagger.json is the file of
// https://api.iterable.com/api/docs, version 1.8, without its prose.
//
// The check is stricter than the file. An object that has properties takes no others,
// which finds a misspelt or invented field; one without, such as dataFields, takes
// any. A query takes the parameters that are declared. A response without a schema,
// as the file has most refusals, is Iterable's envelope of code, msg and params.
//
// Where the file is wrong, deviations.go says so.
package conformance
