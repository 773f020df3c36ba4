package network

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// The frame that a node sends first, as docs/formats.md draws it: magic and
// version, purpose, length of the fields; the second field is the sender's id.
const (
	prefaceMagic   = "HFND"
	headerBytes    = 8
	checksumBytes  = 4
	maxFieldsBytes = 1 << 12
)

// identifyTimeout bounds the wait for the first bytes of a connection.
const identifyTimeout = 10 * time.Second

// identify reads who dials from the first bytes of a connection, and returns
// them too. Whoever sends no preface is a client.
func identify(conn net.Conn) (from string, first []byte, err error) {
	conn.SetReadDeadline(time.Now().Add(identifyTimeout))
	defer conn.SetReadDeadline(time.Time{})
	first = make([]byte, 1, headerBytes)
	if _, err := io.ReadFull(conn, first); err != nil {
		return "", nil, err
	}
	if first[0] != prefaceMagic[0] {
		return Clients, first, nil
	}
	if first, err = readMore(conn, first, headerBytes); err != nil {
		return "", nil, err
	}
	if string(first[:len(prefaceMagic)]) != prefaceMagic {
		return Clients, first, nil
	}
	n := int(binary.BigEndian.Uint16(first[6:]))
	if n > maxFieldsBytes {
		return "", nil, errors.New("a preface of more than 4 KiB")
	}
	if first, err = readMore(conn, first, headerBytes+n+checksumBytes); err != nil {
		return "", nil, err
	}
	fields := first[headerBytes : headerBytes+n]
	if _, fields, err = cutField(fields); err != nil {
		return "", nil, err
	}
	id, _, err := cutField(fields)
	return string(id), first, err
}

// readMore reads on until there are so many bytes.
func readMore(conn net.Conn, have []byte, want int) ([]byte, error) {
	all := make([]byte, want)
	copy(all, have)
	_, err := io.ReadFull(conn, all[len(have):])
	return all, err
}

// cutField takes one field with a length of two bytes off the front.
func cutField(b []byte) (field, rest []byte, err error) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return nil, nil, errors.New("the preface ends inside of a field")
	}
	n := int(binary.BigEndian.Uint16(b))
	return b[2 : 2+n], b[2+n:], nil
}
