package crypto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/flynn/noise"
	"golang.org/x/crypto/chacha20poly1305"
)

// TestXChaCha20Poly1305 is draft-irtf-cfrg-xchacha-03, A.3.1.
func TestXChaCha20Poly1305(t *testing.T) {
	c := xchachaPoly{}.Cipher([32]byte(unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"))).(*xcipher)
	nonce := unhex(t, "404142434445464748494a4b4c4d4e4f5051525354555657")
	ad := unhex(t, "50515253c0c1c2c3c4c5c6c7")
	plain := []byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")
	want := "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb" +
		"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452" +
		"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" +
		"21f9664c97637da9768812f615c68b13b52e" + "c0875924c1c7987947deafd8780acf49"

	if got := c.aead.Seal(nil, nonce, plain, ad); hex.EncodeToString(got) != want {
		t.Errorf("sealed = %x, want %s", got, want)
	}

	// The nonce's upper eight bytes are ours to set: the draft's as n, little-endian.
	copy(c.nonce[:16], nonce)
	got := c.Encrypt(nil, binary.LittleEndian.Uint64(nonce[16:]), ad, plain)
	if hex.EncodeToString(got) != want {
		t.Errorf("encrypted = %x, want %s", got, want)
	}
}

func TestNonceLayout(t *testing.T) {
	key := [32]byte{1, 2, 3}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		t.Fatal(err)
	}
	nonce := unhex(t, "00000000000000000000000000000000"+"0807060504030201")
	want := aead.Seal(nil, nonce, []byte("text"), []byte("ad"))
	c := xchachaPoly{}.Cipher(key)
	got := c.Encrypt(nil, 0x0102030405060708, []byte("ad"), []byte("text"))
	if !bytes.Equal(got, want) {
		t.Errorf("sealed = %x, want %x", got, want)
	}
	if plain, err := c.Decrypt(nil, 0x0102030405060708, []byte("ad"), want); err != nil || string(plain) != "text" {
		t.Errorf("opened = %q, %v", plain, err)
	}
	if _, err := c.Decrypt(nil, 0x0102030405060709, []byte("ad"), want); err == nil {
		t.Error("opened under another nonce")
	}
}

// TestNoiseVectors runs published vectors of XK, which have the standard cipher,
// through the configuration that connections use.
func TestNoiseVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/noise_xk_vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v := map[string]string{}
		for line := range strings.SplitSeq(block, "\n") {
			if name, value, ok := strings.Cut(line, "="); ok {
				v[name] = value
			}
		}
		if v["handshake"] == "" {
			continue
		}
		ran++
		runNoiseVector(t, v)
	}
	if ran != 4 {
		t.Errorf("ran %d vectors, want 4", ran)
	}
}

func runNoiseVector(t *testing.T, v map[string]string) {
	t.Helper()
	static := func(name string) noise.DHKey {
		k, err := noise.DH25519.GenerateKeypair(bytes.NewReader(unhex(t, v[name])))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	server := static("resp_static")
	prologue := string(unhex(t, v["prologue"]))
	configs := [2]noise.Config{
		noiseConfig(noise.CipherChaChaPoly, prologue, static("init_static"), server.Public,
			bytes.NewReader(unhex(t, v["gen_init_ephemeral"]))),
		noiseConfig(noise.CipherChaChaPoly, prologue, server, nil,
			bytes.NewReader(unhex(t, v["gen_resp_ephemeral"]))),
	}
	var states [2]*noise.HandshakeState
	for i, c := range configs {
		var err error
		if states[i], err = noise.NewHandshakeState(c); err != nil {
			t.Fatal(err)
		}
	}
	var keys [2]*noise.CipherState // client to server, server to client
	for i := range 5 {
		name := "msg_" + strconv.Itoa(i)
		payload, want := unhex(t, v[name+"_payload"]), v[name+"_ciphertext"]
		var got []byte
		var err error
		if i < 3 {
			got, keys[0], keys[1], err = states[i%2].WriteMessage(nil, payload)
			if err == nil {
				_, _, _, err = states[1-i%2].ReadMessage(nil, got)
			}
		} else {
			got, err = keys[1-i%2].Encrypt(nil, nil, payload) // the server's turn first
		}
		if err != nil || hex.EncodeToString(got) != want {
			t.Fatalf("%s = %x, %v, want %s", name, got, err, want)
		}
	}
}
