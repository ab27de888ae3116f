package crypto

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

func testTicket(tb testing.TB) *Ticket {
	return &Ticket{
		Key: node(tb, serverNode).PublicKey(), Secret: Secret{1, 2, 3, 15: 16}, Expires: time.Unix(1_800_000_000, 0).UTC(),
		Addrs: []string{"office.lan:7117", "[fd00::1]:7117"}, Datasets: []string{"primary", "Lager Süd"},
	}
}

func ticketText(tb testing.TB, t *Ticket) string {
	tb.Helper()
	s, err := t.Text()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestTicketRoundTrip(t *testing.T) {
	want := testTicket(t)
	text := ticketText(t, want)
	if !strings.HasPrefix(text, "sqlsync-ticket1") {
		t.Errorf("text = %s", text)
	}
	for _, s := range []string{text, strings.ToUpper(text), "\n " + text + "\n"} {
		got, err := ParseTicket(s)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parsed %+v, %v", got, err)
		}
	}
	want.Relay = true
	if got, err := ParseTicket(ticketText(t, want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("for a relay: parsed %+v, %v", got, err)
	}
	want.Relay, want.Datasets = false, nil
	if got, err := ParseTicket(ticketText(t, want)); err != nil || got.Datasets != nil {
		t.Errorf("datasets = %v, %v", got.Datasets, err)
	}
}

func TestTicketTypingErrors(t *testing.T) {
	text := ticketText(t, testTicket(t))
	for i := range text {
		wrong := byte('q')
		if text[i] == wrong {
			wrong = 'p'
		}
		if _, err := ParseTicket(text[:i] + string(wrong) + text[i+1:]); !errors.Is(err, ErrBadTicket) {
			t.Fatalf("character %d: %v", i, err)
		}
		if _, err := ParseTicket(text[:i]); !errors.Is(err, ErrBadTicket) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		if _, err := ParseTicket(text[:i] + text[i+1:]); !errors.Is(err, ErrBadTicket) {
			t.Fatalf("without %d: %v", i, err)
		}
	}
}

// A checksum that fits does not make a ticket.
func TestTicketsMadeByHand(t *testing.T) {
	encode := func(version func(string, []byte) (string, error), b []byte) string {
		groups, err := bech32.ConvertBits(b, 8, 5, true)
		if err != nil {
			t.Fatal(err)
		}
		s, err := version(ticketPrefix, groups)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	key := node(t, serverNode).PublicKey()
	body := func(rest string) []byte {
		b := append([]byte{ticketFormat}, key[:]...)
		return append(append(b, make([]byte, 16+8)...), rest...)
	}
	good := body("\x01\x03a:1\x00")
	if _, err := ParseTicket(encode(bech32.EncodeM, good)); err != nil {
		t.Fatal(err)
	}
	badKey := body("\x01\x03a:1\x00")
	copy(badKey[1:], make([]byte, 32))
	late := body("\x01\x03a:1\x00")
	late[49] = 0x80
	for name, text := range map[string]string{
		"checksum of bech32":      encode(bech32.Encode, good),
		"format without its keys": encode(bech32.EncodeM, append([]byte{ticketFormat2}, good[1:]...)),
		"relay of nothing":        encode(bech32.EncodeM, append([]byte{ticketFormatRelay}, good[1:]...)),
		"later format":            encode(bech32.EncodeM, append([]byte{5}, good[1:]...)),
		"key of small order":      encode(bech32.EncodeM, badKey),
		"negative expiry":         encode(bech32.EncodeM, late),
		"no address":              encode(bech32.EncodeM, body("\x00\x00")),
		"no port":                 encode(bech32.EncodeM, body("\x01\x01a\x00")),
		"control character":       encode(bech32.EncodeM, body("\x01\x04a\n:1\x00")),
		"empty dataset":           encode(bech32.EncodeM, body("\x01\x03a:1\x01\x00")),
		"one byte more":           encode(bech32.EncodeM, body("\x01\x03a:1\x00\x00")),
		"list cut short":          encode(bech32.EncodeM, body("\x02\x03a:1")),
		"text cut short":          encode(bech32.EncodeM, body("\x01\x09a:1\x00")),
		"nothing":                 encode(bech32.EncodeM, nil),
		"a key":                   key.String(),
		"too long":                ticketPrefix + "1" + strings.Repeat("q", maxTicket),
	} {
		if _, err := ParseTicket(text); !errors.Is(err, ErrBadTicket) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTicketShowsNoSecret(t *testing.T) {
	ticket := testTicket(t)
	want := "ticket of " + ticket.Key.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, ticket); got != want {
			t.Errorf("%s: %s", verb, got)
		}
		if got := fmt.Sprintf(verb, ticket.Secret); got != "secret" {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func TestProof(t *testing.T) {
	secret := NewSecret()
	if got, ok := Invited(secret.Proof()); !ok || got != secret {
		t.Errorf("secret = %v, %v", got == secret, ok)
	}
	for _, payload := range [][]byte{nil, {payloadInvited}, append(secret.Proof(), 0), append([]byte{2}, secret[:]...)} {
		if _, ok := Invited(payload); ok {
			t.Errorf("taken for a proof: %d bytes", len(payload))
		}
	}
	if secret == NewSecret() || secret.Hash() == NewSecret().Hash() {
		t.Error("two secrets are the same")
	}
}

// fuzzTicket looks for text that is a ticket and not what Text makes of it.
func fuzzTicket(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	text := ticketText(f, testTicket(f))
	seed([]byte(text))
	seed([]byte(strings.ToUpper(text)))
	seed([]byte(text[:len(text)-1]))
	return func(t *testing.T, b []byte) {
		ticket, err := ParseTicket(string(b))
		if err != nil {
			if !errors.Is(err, ErrBadTicket) {
				t.Fatal(err)
			}
			return
		}
		if back := ticketText(t, ticket); back != strings.ToLower(strings.TrimSpace(string(b))) {
			t.Fatalf("%q is also %q", b, back)
		}
	}
}

// fuzzTicketBytes is fuzzTicket past the checksum.
func fuzzTicketBytes(f *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	try := fuzzTicket(f, func([]byte) {})
	key := node(f, serverNode).PublicKey()
	for format, lists := range map[byte]string{
		ticketFormat:      "\x02\x03a:1\x04b:22\x00",
		ticketFormat2:     "\x01\x03a:1\x00\x01" + string(make([]byte, 32)) + "\x01d",
		ticketFormatKeys:  "\x01\x03a:1\x00\x02" + string(make([]byte, 32)) + "\x01d\x01" + string(make([]byte, 31)) + "\x01d",
		ticketFormatRelay: "\x01\x03a:1\x01\x01d",
	} {
		seed(append(append(append([]byte{format}, key[:]...), make([]byte, 24)...), lists...))
	}
	return func(t *testing.T, b []byte) {
		groups, err := bech32.ConvertBits(b, 8, 5, true)
		if err != nil {
			t.Fatal(err)
		}
		text, err := bech32.EncodeM(ticketPrefix, groups)
		if err != nil {
			t.Fatal(err)
		}
		try(t, []byte(text))
	}
}
