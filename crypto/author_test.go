package crypto

import "testing"

func TestAuthorsDifferByNodeAndSalt(t *testing.T) {
	a, b := identityFromSeed([32]byte{1}), identityFromSeed([32]byte{2})
	seen := map[PublicKey]bool{a.PublicKey(): true, b.PublicKey(): true}
	for _, id := range []*Identity{a, b} {
		for _, salt := range []string{"", "one", "two"} {
			author := id.Author([]byte(salt))
			if seen[author.PublicKey()] {
				t.Errorf("%v is an author twice", author.PublicKey())
			}
			seen[author.PublicKey()] = true
			if again := id.Author([]byte(salt)); again.PublicKey() != author.PublicKey() {
				t.Error("the same salt makes another author")
			}
			if !author.PublicKey().Verify([]byte("x"), author.Sign([]byte("x"))) {
				t.Error("its signature is not its own")
			}
		}
	}
}
