// Package ledger keeps what a sync of an Amplitude cohort has put on an Iterable
// list: a directory for each cohort, plain files, one writer at a time.
//
//	lock           taken while the ledger is open, given up by a dead process
//	ledger.json    the State: which list, which of the files below are valid
//	members-N      the ids that the sync has to do with, each with its standing
//	journal-N      what was sent since members-N was written, batch by batch
//	forgotten-N    hashes of users whom Iterable has forgotten
//	snapshot-N     the cohort as it was last downloaded whole
//
// Every file but the journal is written anew under another number, synced, and
// then named by ledger.json, which is replaced in one step. So whatever moment a
// process dies at, the files of before or those of after are valid. Before a
// batch is sent the journal names it, after it is answered the journal has its
// verdicts: a batch without them may or may not have taken effect.
//
// After a write or sync that failed nothing more is written until the ledger is
// opened anew.
package ledger
