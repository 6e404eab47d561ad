package main

import "io"

func seedBugs(io.Writer) error { return nil }
