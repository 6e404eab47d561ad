// Package campaign breaks a relay on purpose and judges what it lost: its process is
// killed at random instants, its machine loses power, its Amplitude answers
// anything.
//
//	go test ./internal/campaign                                   # a few of each
//	go test -C internal/campaign -run Kill -kills 200 -timeout 1h
//	go test -C internal/campaign -run PowerCut -cuts 20 -timeout 1h    # as root
//
// The driver posts webhooks made from a number, and notes a number as owed only
// when it was answered 200. The Amplitude is a fake in the driver's process, which
// outlives the relay. At the end, with all faults off, each number that is owed must
// be in Amplitude or in the dead letter, and not in both; nothing else may be there.
package campaign
