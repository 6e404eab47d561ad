package main

import "io"

func compareAll(io.Writer) error { return nil }
