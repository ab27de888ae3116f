package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

const (
	ticketPrefix = "sqlsync-ticket"
	ticketFormat = 1
	// ticketFormat2 has the keys of private datasets behind.
	ticketFormat2 = 2
	// ticketFormatRelay is format 1 for a node that gets no keys.
	ticketFormatRelay = 3
	// ticketFormatKeys is format 2 where a dataset has former keys, too.
	ticketFormatKeys = 4

	// maxTicket is the length of the longest text that ParseTicket looks at.
	maxTicket = 4096
	// maxTicketList is how many addresses or datasets a ticket has at most.
	maxTicketList = 32
)

// ErrBadTicket is returned for text that is no ticket: mistyped, cut short, or
// something else.
var ErrBadTicket = errors.New("not a valid sqlsync ticket")

// Secret is what the holder of a ticket proves once: 128 random bits.
type Secret [16]byte

// NewSecret makes a secret.
func NewSecret() (s Secret) {
	rand.Read(s[:]) // it never fails
	return s
}

// Hash is what the inviter keeps. Nothing slower is needed: a secret is random,
// and no shorter to find from its hash than to guess.
func (s Secret) Hash() [32]byte { return sha256.Sum256(s[:]) }

// Format prints no secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secret") }

// Ticket invites one node: whom to join, where, and the secret that lets it in.
type Ticket struct {
	Key     PublicKey
	Secret  Secret
	Expires time.Time // in whole seconds
	// Addrs are where Key listens, HOST:PORT each; at least one.
	Addrs []string
	// Datasets are those that the invited node may have, nil for all.
	Datasets []string
	// Keys are those of the private datasets among them.
	Keys DatasetKeys
	// Relay says that Datasets, of which there are some, are private and for the
	// invited node to hold and pass on without their keys.
	Relay bool
}

// Format prints whose ticket it is and not the secret, whatever the verb.
func (t *Ticket) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "ticket of %s", t.Key) }

// Text returns the ticket in bech32m (BIP 350, since its length varies), in
// lower case; in upper case it is a ticket too, and a smaller QR code. The
// payload is
//
//	1 byte      format: 1, 2 with keys, 3 for a relay, 4 with former keys too
//	32 bytes    key
//	16 bytes    secret
//	8 bytes     expiry, in Unix seconds, big-endian
//	list        addresses
//	list        datasets, none for all
//	keys        of formats 2 and 4 only: how many in a byte, and of each the 32
//	            bytes and the dataset's name as in a list, ascending by name, those
//	            of one dataset from the oldest to the one that is used now
//
// where a list is its length in a byte, and each of its texts with the text's
// length in a byte in front.
func (t *Ticket) Text() (string, error) {
	if err := t.check(); err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	b := append([]byte{t.format()}, t.Key[:]...)
	b = append(b, t.Secret[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.Unix()))
	for _, list := range [][]string{t.Addrs, t.Datasets} {
		b = append(b, byte(len(list)))
		for _, s := range list {
			b = append(append(b, byte(len(s))), s...)
		}
	}
	if len(t.Keys) > 0 {
		b = appendKeys(b, t.Keys)
	}
	groups, err := bech32.ConvertBits(b, 8, 5, true)
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	text, err := bech32.EncodeM(ticketPrefix, groups)
	if err == nil && len(text) > maxTicket {
		err = fmt.Errorf("it would have %d characters: give fewer addresses and datasets", len(text))
	}
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	return text, nil
}

// IsTicket reports whether a text begins as tickets do.
func IsTicket(s string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(s)), ticketPrefix+"1")
}

// ParseTicket reads what [Ticket.Text] returns, in lower or upper case. Any error
// is [ErrBadTicket] and says what to do; like decodeKey's, it repeats nothing of s.
func ParseTicket(s string) (*Ticket, error) {
	s = strings.TrimSpace(s)
	if !IsTicket(s) {
		if strings.HasPrefix(strings.ToLower(s), publicPrefix+"1") {
			return nil, fmt.Errorf("%w: this is a key: a ticket begins with %q", ErrBadTicket, ticketPrefix+"1")
		}
		return nil, fmt.Errorf("%w: it does not begin with %q: copy it again, in full", ErrBadTicket, ticketPrefix+"1")
	}
	if len(s) > maxTicket {
		return nil, fmt.Errorf("%w: it has more than %d characters: copy it again", ErrBadTicket, maxTicket)
	}
	prefix, groups, version, err := bech32.DecodeNoLimitWithVersion(s)
	if err != nil || version != bech32.VersionM || prefix != ticketPrefix {
		return nil, fmt.Errorf("%w: its checksum does not match: copy it again, in full", ErrBadTicket)
	}
	b, err := bech32.ConvertBits(groups, 5, 8, false)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%w: it does not hold whole bytes: ask for another", ErrBadTicket)
	}
	if b[0] < ticketFormat || b[0] > ticketFormatKeys {
		return nil, fmt.Errorf("%w: its format is %d and not %d to %d: use the version of sqlsync that made it", ErrBadTicket, b[0], ticketFormat, ticketFormatKeys)
	}
	t, ok := decodeTicket(b[1:], b[0] == ticketFormat2 || b[0] == ticketFormatKeys)
	if ok {
		t.Relay = b[0] == ticketFormatRelay
		ok = t.format() == b[0]
	}
	if !ok {
		return nil, fmt.Errorf("%w: it is cut short or has too much: ask for another", ErrBadTicket)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%w: %w: ask for another", ErrBadTicket, err)
	}
	return t, nil
}

func decodeTicket(b []byte, keys bool) (*Ticket, bool) {
	const fixed = 32 + 16 + 8
	if len(b) < fixed {
		return nil, false
	}
	seconds := binary.BigEndian.Uint64(b[48:])
	if seconds > math.MaxInt64 {
		return nil, false
	}
	t := &Ticket{Key: PublicKey(b[:32]), Secret: Secret(b[32:48]), Expires: time.Unix(int64(seconds), 0).UTC()}
	b = b[fixed:]
	for _, list := range []*[]string{&t.Addrs, &t.Datasets} {
		if len(b) == 0 {
			return nil, false
		}
		n := int(b[0])
		b = b[1:]
		for range n {
			if len(b) == 0 || len(b) < 1+int(b[0]) {
				return nil, false
			}
			*list = append(*list, string(b[1:1+b[0]]))
			b = b[1+b[0]:]
		}
	}
	if keys {
		var ok bool
		if t.Keys, b, ok = decodeKeys(b); !ok {
			return nil, false
		}
	}
	return t, len(b) == 0
}

// format is the least that can say what the ticket says.
func (t *Ticket) format() byte {
	switch {
	case t.Relay:
		return ticketFormatRelay
	case t.Keys.count() > len(t.Keys):
		return ticketFormatKeys
	case len(t.Keys) > 0:
		return ticketFormat2
	}
	return ticketFormat
}

func (k DatasetKeys) count() (n int) {
	for _, list := range k {
		n += len(list)
	}
	return n
}

func appendKeys(b []byte, keys DatasetKeys) []byte {
	b = append(b, byte(keys.count()))
	for _, name := range keys.names() {
		for _, key := range keys[name] {
			b = append(append(append(b, key[:]...), byte(len(name))), name...)
		}
	}
	return b
}

func decodeKeys(b []byte) (keys DatasetKeys, rest []byte, ok bool) {
	if len(b) == 0 || b[0] == 0 {
		return nil, nil, false
	}
	n, last := int(b[0]), ""
	b = b[1:]
	keys = make(DatasetKeys, n)
	for range n {
		const fixed = len(DatasetKey{}) + 1
		if len(b) < fixed || len(b) < fixed+int(b[fixed-1]) {
			return nil, nil, false
		}
		name := string(b[fixed : fixed+int(b[fixed-1])])
		key := DatasetKey(b[:fixed-1])
		if name < last || slices.Contains(keys[name], key) {
			return nil, nil, false
		}
		keys[name], last = append(keys[name], key), name
		b = b[fixed+len(name):]
	}
	return keys, b, true
}

func (t *Ticket) check() error {
	if _, err := t.Key.montgomery(); err != nil {
		return err
	}
	switch {
	case t.Expires.Unix() < 0:
		return errors.New("its expiry is before 1970")
	case len(t.Addrs) == 0:
		return errors.New("it has no address")
	case len(t.Addrs) > maxTicketList || len(t.Datasets) > maxTicketList || len(t.Keys) > maxTicketList || t.Keys.count() > math.MaxUint8:
		return fmt.Errorf("it has more than %d addresses or datasets", maxTicketList)
	case t.Relay && (len(t.Datasets) == 0 || len(t.Keys) > 0):
		return errors.New("it is for a relay, and names no dataset or has keys")
	}
	for _, s := range slices.Concat(t.Addrs, t.Datasets, t.Keys.names()) {
		if len(s) == 0 || len(s) > math.MaxUint8 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return errors.New("it has a text that is empty, too long or not printable")
		}
	}
	for _, addr := range t.Addrs {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return errors.New("it has an address that is not HOST:PORT")
		}
	}
	return nil
}

// payloadInvited begins the payload of a client that has a ticket; the secret
// follows. It is in the handshake's third message, which nobody but the ticket's
// key can read, now or later.
const payloadInvited = 1

// Proof is the payload for [Client] with which a node joins.
func (s Secret) Proof() []byte { return append([]byte{payloadInvited}, s[:]...) }

// Invited returns the secret in the payload of a client that has one.
func Invited(payload []byte) (s Secret, ok bool) {
	if len(payload) != 1+len(s) || payload[0] != payloadInvited {
		return s, false
	}
	return Secret(payload[1:]), true
}
