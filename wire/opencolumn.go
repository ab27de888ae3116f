package wire

// column reads as many values as there is room for.
func (r *reader) column(to []Value) {
	types := r.types(len(to))
	clear(to)
	r.ints(types, to)
	r.reals(types, to)
	r.texts(types, to)
}

type typeRun struct {
	tag byte
	n   int
}

type typeRuns []typeRun

// of gives each run of values of a type: those from and up to a place.
func (t typeRuns) of(tags ...byte) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		i := 0
		for _, run := range t {
			for _, tag := range tags {
				if run.tag == tag && !yield(i, i+run.n) {
					return
				}
			}
			i += run.n
		}
	}
}

func (t typeRuns) has(tag byte) bool {
	for _, run := range t {
		if run.tag == tag {
			return true
		}
	}
	return false
}

// types reads the runs of types of n values. Runs are as long as can be.
func (r *reader) types(n int) typeRuns {
	var runs typeRuns
	last := byte(0xff)
	for left := n; left > 0; {
		tag := r.byte()
		run := r.count(0, left)
		if r.err == nil && (tag > tagBlob || tag == last || run == 0) {
			r.fail("bad run of types")
		}
		if r.err != nil {
			return nil
		}
		runs = append(runs, typeRun{tag, run})
		left -= run
		last = tag
	}
	return runs
}

// ints reads the integers of a column. A value that repeats the one before
// shares its memory.
func (r *reader) ints(types typeRuns, to []Value) {
	if !types.has(tagInt) {
		return
	}
	differences := r.bool()
	var plain, delta int // what the two forms take
	var last int64
	var shared Value = last
	for from, end := range types.of(tagInt) {
		for i := from; i < end; i++ {
			v := r.varint()
			if differences {
				v += last
			}
			plain += varintLen(v)
			delta += varintLen(v - last)
			if v != last {
				last, shared = v, v
			}
			to[i] = shared
		}
		if r.err != nil {
			return
		}
	}
	if differences != (delta < plain) {
		r.fail("integers in the longer of two forms")
	}
}

func (r *reader) reals(types typeRuns, to []Value) {
	for from, end := range types.of(tagReal) {
		for i := from; i < end && r.err == nil; i++ {
			to[i] = r.real()
		}
	}
}

// texts reads the texts and blobs of a column: all lengths, then all bytes.
// The texts are parts of one string, and blobs of the input.
func (r *reader) texts(types typeRuns, to []Value) {
	lengths := r.lengths(types)
	total := 0
	for _, n := range lengths {
		total += n
	}
	data := r.take(total)
	if r.err != nil {
		return
	}
	var text string
	if types.has(tagText) {
		text = string(data)
	}
	at, i := 0, 0
	for _, run := range types {
		switch run.tag {
		case tagText:
			last, shared := "", Value("")
			for j := i; j < i+run.n; j++ {
				s := text[at : at+lengths[0]]
				at, lengths = at+len(s), lengths[1:]
				if s != last {
					last, shared = s, s
				}
				to[j] = shared
			}
		case tagBlob:
			for j := i; j < i+run.n; j++ {
				end := at + lengths[0]
				to[j] = data[at:end:end]
				at, lengths = end, lengths[1:]
			}
		}
		i += run.n
	}
}

func (r *reader) lengths(types typeRuns) []int {
	n := 0
	for from, end := range types.of(tagText, tagBlob) {
		n += end - from
	}
	if n == 0 || n > len(r.b) {
		if n > 0 {
			r.fail("cut short")
		}
		return nil
	}
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = r.count(0, len(r.b))
	}
	return lengths
}
