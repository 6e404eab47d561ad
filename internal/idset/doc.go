// Package idset keeps sets of ids, each with one byte of state, in files and
// compares them in bounded memory, exactly.
//
// An id is 1 to [MaxID] bytes of any value. A state is any byte but 0, which
// stands for absent. What states mean is up to the caller.
//
// # Memory
//
// The CRC-32C of an id chooses one of 128 partitions, the same one in every
// set, so that sets can be compared one partition at a time. A [Writer] takes 4
// MiB at most. [Compare] has two partitions in memory, of all its sets: about 4
// MB for two sets of 2 million ids of 36 bytes, and in proportion for others.
//
// The CRC is no secret. Whoever chooses all ids can put them into one
// partition, and then that is what is in memory.
//
// # Files
//
// A set is one file of three pieces, with integers in little-endian order:
//
//	header   8 bytes  "idset", 0 and the version as uint16
//	         8 bytes  offset of the footer
//	         8 bytes  length of the file
//	         4 bytes  CRC-32C of the footer
//	         4 bytes  CRC-32C of the header up to here
//	chunks   each one holds whole records of one partition; a record is
//	         1 byte   state
//	         2 bytes  length of the id
//	                  the id
//	footer   for each of the 128 partitions
//	           uvarint  number of records
//	           4 bytes  CRC-32C of its chunks, one after the other
//	         for each chunk, in the order of the file
//	           1 byte   partition
//	           uvarint  length
//
// Every byte is under a checksum. Chunks lie without gaps from the header to the
// footer, so they have no offsets that could be wrong. The header is written
// last: until then it is zero. A set is written under another name, synced and
// renamed, so that its own name never stands for half a set.
package idset
