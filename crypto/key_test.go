package crypto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"github.com/btcsuite/btcd/btcutil/bech32"
	"golang.org/x/crypto/curve25519"
)

// seeded is a source of the same bytes at every run.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

// node returns the same identity for the same n.
func node(tb testing.TB, n byte) *Identity {
	tb.Helper()
	id, err := NewIdentity(seeded(n))
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// RFC 8032, 7.1, test 1.
const (
	rfcSeed   = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	rfcPublic = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
	rfcText   = "sqlsync16adfsqvzky9t042tlmfujeq88g8wzuhnm2nzxfd0qgdx3ac82ydqfj2076"
)

func TestPublicKeyText(t *testing.T) {
	k := PublicKey(unhex(t, rfcPublic))
	if got := k.String(); got != rfcText {
		t.Errorf("text = %s, want %s", got, rfcText)
	}
	for _, s := range []string{rfcText, strings.ToUpper(rfcText)} {
		got, err := ParsePublicKey(s)
		if err != nil || got != k {
			t.Errorf("ParsePublicKey(%s) = %v, %v", s, got, err)
		}
	}
}

func TestEveryTypingErrorIsFound(t *testing.T) {
	reject := func(s string) {
		t.Helper()
		if _, err := ParsePublicKey(s); !errors.Is(err, ErrBadKey) {
			t.Errorf("%q: error = %v", s, err)
		}
	}
	for i := range rfcText {
		for c := 0; c < 256; c++ {
			if byte(c) != rfcText[i] {
				reject(rfcText[:i] + string([]byte{byte(c)}) + rfcText[i+1:])
			}
			reject(rfcText[:i] + string([]byte{byte(c)}) + rfcText[i:])
		}
		reject(rfcText[:i] + rfcText[i+1:])
		if i > 0 && rfcText[i] != rfcText[i-1] {
			reject(rfcText[:i-1] + rfcText[i:i+1] + rfcText[i-1:i] + rfcText[i+1:])
		}
	}
	reject("")
	reject(rfcText + "\n")
	reject(rfcText + rfcText)
}

func TestBadKeyErrorsSayWhatToDo(t *testing.T) {
	text := func(prefix string, key []byte) string { return encodeKey(prefix, [32]byte(key)) }
	groups, err := bech32.ConvertBits(unhex(t, rfcPublic), 8, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	m, err := bech32.EncodeM(publicPrefix, groups)
	if err != nil {
		t.Fatal(err)
	}
	groups[51] |= 1
	padded, err := bech32.Encode(publicPrefix, groups)
	if err != nil {
		t.Fatal(err)
	}
	nonCanonical := bytes.Repeat([]byte{0xff}, 32)
	nonCanonical[0], nonCanonical[31] = 0xf0, 0x7f // y = p + 3
	order8 := unhex(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	a, err := new(edwards25519.Point).SetBytes(unhex(t, rfcPublic))
	if err != nil {
		t.Fatal(err)
	}
	b, err := new(edwards25519.Point).SetBytes(order8)
	if err != nil {
		t.Fatal(err)
	}
	mixed := new(edwards25519.Point).Add(a, b).Bytes()

	for _, test := range []struct{ name, in, want string }{
		{"checksum", "sqlsync16adfsqvzky9t042tlmfujeq88g8wzuhnm2nzxfd0qgdx3ac82ydqfj20qq", "check for a typing error"},
		{"bech32m", m, "check for a typing error"},
		{"case", "S" + rfcText[1:], "upper and lower case"},
		{"character", rfcText[:20] + "b" + rfcText[21:], "character that no key has"},
		{"length", rfcText[:60], "copy it again"},
		{"secret", text(secretPrefix, unhex(t, rfcSeed)), "never give it to anyone"},
		{"prefix", text("sqlpunk", unhex(t, rfcPublic)), `does not begin with "sqlsync1"`},
		{"padding", padded, "does not hold 32 bytes"},
		{"no point", text(publicPrefix, append([]byte{2}, make([]byte, 31)...)), "no point on the curve"},
		{"not canonical", text(publicPrefix, nonCanonical), "no point on the curve"},
		{"zero", text(publicPrefix, make([]byte, 32)), "small order"},
		{"identity", text(publicPrefix, append([]byte{1}, make([]byte, 31)...)), "small order"},
		{"order 8", text(publicPrefix, order8), "small order"},
		{"mixed order", text(publicPrefix, mixed), "small order"},
	} {
		_, err := ParsePublicKey(test.in)
		if !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error = %v, want %q in it", test.name, err, test.want)
		}
	}
}

func TestMontgomery(t *testing.T) {
	// libsodium, test/default/ed25519_convert.
	id := identityFromSeed([32]byte(unhex(t, "421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee")))
	if got := hex.EncodeToString(id.static.Public); got != "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50" {
		t.Errorf("public = %s", got)
	}
	if got := hex.EncodeToString(id.static.Private); got != "8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166" {
		t.Errorf("private = %s", got)
	}
	for n := range byte(50) {
		id := node(t, n)
		want, err := curve25519.X25519(id.static.Private, curve25519.Basepoint)
		if err != nil || !bytes.Equal(id.static.Public, want) {
			t.Errorf("node %d: converted public key is not that of the private key (%v)", n, err)
		}
	}
}

func TestSign(t *testing.T) {
	id := identityFromSeed([32]byte(unhex(t, rfcSeed)))
	sig := id.Sign(nil)
	if got := hex.EncodeToString(sig); got != "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" {
		t.Errorf("signature = %s", got)
	}
	k := id.PublicKey()
	if !k.Verify(nil, sig) {
		t.Error("own signature refused")
	}
	for name, ok := range map[string]bool{
		"other message": k.Verify([]byte("x"), sig),
		"short":         k.Verify(nil, sig[:ed25519.SignatureSize-1]),
		"empty":         k.Verify(nil, nil),
		"other key":     node(t, 1).PublicKey().Verify(nil, sig),
	} {
		if ok {
			t.Errorf("%s: verified", name)
		}
	}
}

func fuzzPublicKey(_ *testing.F, seed func([]byte)) func(*testing.T, []byte) {
	seed([]byte(rfcText))
	return func(t *testing.T, b []byte) {
		s := string(b)
		k, err := ParsePublicKey(s)
		if err != nil {
			if !errors.Is(err, ErrBadKey) {
				t.Fatalf("error %v is not ErrBadKey", err)
			}
			return
		}
		if k.String() != strings.ToLower(s) {
			t.Fatalf("%q reads as %s", s, k)
		}
	}
}
