package crypto_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"sqlsync/crypto"
)

// An identity is a key file; its public half is what others add.
func Example() {
	dir, err := os.MkdirTemp("", "crypto")
	check(err)
	defer os.RemoveAll(dir)
	id, err := crypto.NewIdentity(nil)
	check(err)
	check(id.Save(filepath.Join(dir, "shop.db-sqlsync.key"))) // mode 0600

	again, err := crypto.LoadIdentity(filepath.Join(dir, "shop.db-sqlsync.key"))
	check(err)
	key, err := crypto.ParsePublicKey(id.PublicKey().String()) // what people paste
	check(err)
	signature := again.Sign([]byte("a batch"))
	fmt.Println(key.Verify([]byte("a batch"), signature), key.Verify([]byte("another"), signature))
	// Output: true false
}

// A connection between two nodes that know each other's keys. Whoever is not
// admitted sees that the connection was closed, and nothing more.
func ExampleClient() {
	ctx := context.Background()
	office, till, stranger := newID(), newID(), newID()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer l.Close()
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			admit := func(peer crypto.PublicKey, _ []byte) error {
				if peer != till.PublicKey() {
					return errors.New("not a remote")
				}
				return nil
			}
			if c, err := crypto.Server(ctx, raw, office, admit, crypto.Options{}); err == nil {
				fmt.Fprint(c, "welcome")
				c.Close()
			}
		}
	}()

	for _, id := range []*crypto.Identity{till, stranger} {
		raw, err := net.Dial("tcp", l.Addr().String())
		check(err)
		c, err := crypto.Client(ctx, raw, id, office.PublicKey(), nil, crypto.Options{})
		if err != nil {
			fmt.Println("refused:", errors.Is(err, crypto.ErrRefused))
			continue
		}
		text, err := io.ReadAll(c)
		check(err)
		fmt.Printf("%s\n", text)
		c.Close()
	}
	// Output:
	// welcome
	// refused: true
}

// A ticket is one text that lets one node in.
func ExampleTicket() {
	ticket := &crypto.Ticket{
		Key: newID().PublicKey(), Secret: crypto.NewSecret(), Addrs: []string{"office.lan:7117"},
		Expires: time.Now().Add(time.Hour).Truncate(time.Second),
	}
	text, err := ticket.Text()
	check(err)
	got, err := crypto.ParseTicket(text)
	check(err)
	fmt.Println(got.Addrs, got.Key == ticket.Key, got.Secret == ticket.Secret)
	// Printed by mistake, it says nothing.
	fmt.Println(len(fmt.Sprint(ticket)) < len(text))
	// Output:
	// [office.lan:7117] true true
	// true
}

func newID() *crypto.Identity {
	id, err := crypto.NewIdentity(nil)
	check(err)
	return id
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
