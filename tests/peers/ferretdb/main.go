// FerretDB with its data in a folder, one command that writes at a time.
//
// FerretDB v1 on SQLite reads, filters and writes an update in steps of their own, so that of two compare-and-sets both
// may win; MongoDB updates a document atomically. Here what writes comes one after the other, which gives the same.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// As MongoDB's own limit of a message.
const largestMessage = 48_000_000

const opMsg = 2013

// Commands that write nothing. The driver's own questions must not wait, or it takes the server for dead.
var reads = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "endSessions": true,
	"find": true, "getMore": true, "aggregate": true, "count": true, "listIndexes": true,
}

var turn sync.Mutex

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	data := flag.String("data", "", "folder of the data, with a slash at its end")
	flag.Parse()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + *data,
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(server.Run(context.Background())) }()
	inner, err := url.Parse(server.MongoDBURI())
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("mongodb://%s/\n", listener.Addr())
	go endWithParent()
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, inner.Host)
	}
}

// endWithParent ends the process when its standard input ends, so that nothing is left of a test that was killed.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func serve(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := read(client)
		if err != nil {
			return
		}
		reply, err := ask(server, request)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func ask(server net.Conn, request []byte) ([]byte, error) {
	if !reads[command(request)] {
		turn.Lock()
		defer turn.Unlock()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return read(server)
}

// command returns the name of a message's command, which is the first one of its document; an old OP_QUERY, of which
// drivers send the first question only, has none and counts as "hello".
func command(message []byte) string {
	// Before it: header (16), flags (4), kind of section (1), length of the document (4), type of the element (1).
	const start = 26
	if len(message) < start || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return "hello"
	}
	name, _, _ := bytes.Cut(message[start:], []byte{0})
	return string(name)
}

// read returns one message of MongoDB's wire protocol: its length, which counts itself, comes first.
func read(from io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length < 16 || length > largestMessage {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, head[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}
