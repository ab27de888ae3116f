package wire

import "errors"

var (
	// ErrInvalid marks bytes that no honest peer sends: they do not decode,
	// exceed a limit, or do not verify.
	ErrInvalid = errors.New("invalid")
	// ErrGap marks a batch whose predecessor is not here.
	ErrGap = errors.New("gap in chain")
	// ErrAhead marks a batch whose origin's clock is too far ahead.
	ErrAhead = errors.New("the clock of a node is ahead")
	// ErrForked marks a chain of which a peer holds another end: its origin has
	// given a number twice.
	ErrForked = errors.New("two different batches with one number")
)
