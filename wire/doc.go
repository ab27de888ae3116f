// Package wire encodes and decodes what nodes store and exchange: batches,
// which are sealed, hash-chained and signed, and the messages of a session.
//
// A store builds a [Batch], calls [Seal] and keeps the [Sealed] form; whoever
// receives a Sealed form calls its Verify before it looks at anything, and
// then Open. A connection is wrapped in a [Reader] and a [Writer], which carry
// [Message] values. Nothing here is allocated on a length that was not checked
// against a limit first. FORMAT.md gives the bytes.
package wire
