package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf8"
)

// A node that dials another one says first who it is, what the connection is
// for and whom it wants; the acceptor answers before any other byte flows.
// Both messages are one frame:
//
//	offset  size  field
//	0       4     magic: "HFND" from the dialer, "HFNA" from the acceptor
//	4       1     format version, 1
//	5       1     dialer: purpose (1 raft, 2 node rpc)
//	              acceptor: status (1 ok, 2 refused)
//	6       2     n, the length of the fields, big endian, at most maxFieldsBytes
//	8       n     four fields, each a length of 2 bytes, big endian, and UTF-8 text:
//	                cluster id of the sender, empty before one is known
//	                node id of the sender
//	                instance id of the sender
//	                dialer: the node id it wants; acceptor: why it refuses
//	8+n     4     CRC-32C of everything before, big endian
//
// The first five bytes keep their place in every version, so that nodes of two
// versions can tell each other which ones they are. An acceptor that does not
// know the dialer's version answers in its own. Zero is never a valid version,
// purpose or status.
const (
	prefaceVersion byte = 1

	prefaceMagic = "HFND"
	answerMagic  = "HFNA"

	frameHeaderBytes = 8
	frameCRCBytes    = 4

	// The bounds of the fields are checked before anything is allocated.
	maxHelloFieldBytes = 256
	maxLastFieldBytes  = 1024
	maxFieldsBytes     = 3*(2+maxHelloFieldBytes) + 2 + maxLastFieldBytes
)

// Purpose says what a connection between two nodes is for. The numbers are
// sent; zero is invalid.
type Purpose byte

// The purposes.
const (
	// PurposeRaft connections carry hashicorp/raft's own RPCs.
	PurposeRaft Purpose = 1
	// PurposeNode connections carry gRPC calls between nodes.
	PurposeNode Purpose = 2
)

// String returns the purpose's name.
func (p Purpose) String() string {
	switch p {
	case PurposeRaft:
		return "raft"
	case PurposeNode:
		return "node rpc"
	default:
		return fmt.Sprintf("purpose %d", byte(p))
	}
}

// The statuses of an answer.
const (
	statusOK      byte = 1
	statusRefused byte = 2
)

// Hello is who a node says that it is.
type Hello struct {
	// ClusterID is empty as long as the node has not learnt one.
	ClusterID string
	// NodeID is the id that the members know the node by.
	NodeID string
	// InstanceID is random and lives in the data folder: a node that lost its
	// data has another one.
	InstanceID string
}

// Identity tells who this node is and judges who others say they are. Its
// methods are called concurrently and must not block: a connection waits for
// them.
type Identity interface {
	// Self is who this node is now; the cluster id may become known later.
	Self() Hello
	// Admit judges the peer of a connection, dialed by this node or accepted.
	// It is asked again for open connections by Listener.CloseRefused. The
	// text of its error goes to the log and, for an accepted connection, to
	// the peer, so it should say what an operator is to do.
	Admit(peer Hello, dialed bool) error
}

// ErrRefused is returned when one of two nodes refused the other at the start
// of a connection; the text around it says which and why.
var ErrRefused = errors.New("connection between nodes refused")

// errMagic is returned when the bytes are not one of our frames at all, so
// that there is nobody to whom a refusal would mean anything.
var errMagic = errors.New("not a holdfast node")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is either of the two messages.
type frame struct {
	kind  byte // purpose or status
	hello Hello
	last  string // wanted node id or reason of the refusal
}

func (f frame) fields() [4]string {
	return [4]string{f.hello.ClusterID, f.hello.NodeID, f.hello.InstanceID, f.last}
}

func fieldLimit(i int) int {
	if i == 3 {
		return maxLastFieldBytes
	}
	return maxHelloFieldBytes
}

// encode returns the bytes of a frame, or an error when a field is too long.
func (f frame) encode(magic string) ([]byte, error) {
	out := make([]byte, 0, frameHeaderBytes+maxFieldsBytes+frameCRCBytes)
	out = append(out, magic...)
	out = append(out, prefaceVersion, f.kind, 0, 0)
	for i, field := range f.fields() {
		if len(field) > fieldLimit(i) {
			return nil, fmt.Errorf("field %d of the preface has %d bytes, the limit is %d", i+1, len(field), fieldLimit(i))
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(field)))
		out = append(out, field...)
	}
	binary.BigEndian.PutUint16(out[6:], uint16(len(out)-frameHeaderBytes))
	return appendCRC(out), nil
}

func appendCRC(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readFrame reads exactly one frame, never a byte that follows it, and never
// allocates more than the largest valid one needs.
func readFrame(r io.Reader, magic string) (frame, error) {
	header := make([]byte, frameHeaderBytes)
	if _, err := io.ReadFull(r, header); err != nil {
		return frame{}, err
	}
	if string(header[:4]) != magic {
		return frame{}, errMagic
	}
	if header[4] != prefaceVersion {
		return frame{}, fmt.Errorf("this node speaks preface format %d, the other one format %d: run versions of holdfast that are next to each other", prefaceVersion, header[4])
	}
	n := int(binary.BigEndian.Uint16(header[6:]))
	if n > maxFieldsBytes {
		return frame{}, fmt.Errorf("preface fields of %d bytes, the limit is %d", n, maxFieldsBytes)
	}
	rest := make([]byte, n+frameCRCBytes)
	if _, err := io.ReadFull(r, rest); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	sum := crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, rest[:n])
	if sum != binary.BigEndian.Uint32(rest[n:]) {
		return frame{}, errors.New("preface damaged on the way: wrong checksum")
	}
	fields, err := splitFields(rest[:n])
	if err != nil {
		return frame{}, err
	}
	return frame{
		kind:  header[5],
		hello: Hello{ClusterID: fields[0], NodeID: fields[1], InstanceID: fields[2]},
		last:  fields[3],
	}, nil
}

func splitFields(body []byte) ([4]string, error) {
	var fields [4]string
	for i := range fields {
		if len(body) < 2 {
			return fields, fmt.Errorf("preface ends in the length of field %d", i+1)
		}
		n := int(binary.BigEndian.Uint16(body))
		body = body[2:]
		if n > fieldLimit(i) {
			return fields, fmt.Errorf("field %d of the preface has %d bytes, the limit is %d", i+1, n, fieldLimit(i))
		}
		if n > len(body) {
			return fields, fmt.Errorf("preface ends in field %d", i+1)
		}
		fields[i] = string(body[:n])
		if !utf8.ValidString(fields[i]) {
			return fields, fmt.Errorf("field %d of the preface is not UTF-8", i+1)
		}
		body = body[n:]
	}
	if len(body) != 0 {
		return fields, fmt.Errorf("%d bytes after the last field of the preface", len(body))
	}
	return fields, nil
}

// checkPreface is the acceptor's own judgement of a preface, before Admit.
func checkPreface(self Hello, f frame) error {
	if p := Purpose(f.kind); p != PurposeRaft && p != PurposeNode {
		return fmt.Errorf("node %q offers raft and node rpc connections but no %s", self.NodeID, p)
	}
	if f.last != self.NodeID {
		return fmt.Errorf("this is node %q and not %q: the address of %q in --peers, or in the membership, leads to %q",
			self.NodeID, f.last, f.last, self.NodeID)
	}
	return checkHello(self, f.hello)
}

// checkAnswer is the dialer's own judgement of an answer, before Admit.
func checkAnswer(self Hello, f frame, wanted string) error {
	switch f.kind {
	case statusOK:
	case statusRefused:
		return fmt.Errorf("node %q says: %s", f.hello.NodeID, f.last)
	default:
		return fmt.Errorf("node %q answered with the unknown status %d", f.hello.NodeID, f.kind)
	}
	if f.hello.NodeID != wanted {
		return fmt.Errorf("wanted node %q but %q answered: correct --peers or the membership", wanted, f.hello.NodeID)
	}
	return checkHello(self, f.hello)
}

// checkHello checks what needs no knowledge of the members: that the peer says
// who it is, and that both belong to one cluster as far as they know theirs.
func checkHello(self, peer Hello) error {
	if peer.NodeID == "" || peer.InstanceID == "" {
		return errors.New("a node without node id or instance id")
	}
	if self.ClusterID != "" && peer.ClusterID != "" && self.ClusterID != peer.ClusterID {
		return fmt.Errorf("node %q belongs to cluster %q and node %q to cluster %q: two clusters share an address in their --peers; correct it, or give the node that moved an empty data folder and join it under a new id",
			self.NodeID, self.ClusterID, peer.NodeID, peer.ClusterID)
	}
	return nil
}

// refusal makes the answer that refuses for a reason, cut to what fits.
func refusal(self Hello, reason error) frame {
	text := strings.ToValidUTF8(reason.Error(), "?")
	if len(text) > maxLastFieldBytes {
		cut := maxLastFieldBytes
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return frame{kind: statusRefused, hello: self, last: text}
}
