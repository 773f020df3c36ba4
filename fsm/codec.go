package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-registry/holdfast/registry"
)

// The bytes of a log entry, all numbers big-endian:
//
//	entry    offset size
//	         0      1    entry format, 1
//	         1      8    raft term in which the batch was decided
//	         9      8    clock stamp, epoch milliseconds
//	         17     4    count of commands
//	         21     4    CRC32C of all other bytes
//	         25          commands
//
//	command  size
//	         4      length of what follows
//	         2      kind
//	         1      version of the body's layout
//	         1      flags: 1 session, 2 life, 4 fence; others are invalid
//	        [32     session id 16, sequence 8, floor 8]
//	        [8      life]
//	        [10+n   fencing token 8, length of lease token 2, lease token]
//	         …      body: one msgpack array, fields in order
const (
	entryFormat      = 1
	entryHeaderBytes = 25
	entryCRCOffset   = 21
	// minCommandBytes is the least that a command takes: its length, kind,
	// version, flags and an empty body. It bounds counts read from a log.
	minCommandBytes = 9
)

const (
	flagSession = 1 << 0
	flagLife    = 1 << 1
	flagFence   = 1 << 2
	knownFlags  = flagSession | flagLife | flagFence
)

// The bounds of a batch. One command over MaxEntryBytes goes alone.
const (
	MaxEntryBytes    = 512 << 10
	MaxEntryCommands = 1024
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Entry is one decoded log entry.
type Entry struct {
	// Term is the raft term in which the commands were decided.
	Term uint64
	// StampMs is the leader's clock when it proposed the entry.
	StampMs  uint64
	Commands []Command
}

// AppendCommand appends the bytes of one command, its length first. The
// command is decoded again to be sure that every replica can apply it: an
// entry that cannot be decoded would stop the whole cluster.
func AppendCommand(dst []byte, c Command) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(c.Body.Kind()))
	dst = append(dst, c.Body.version(), 0)
	flags := len(dst) - 1
	if c.Session != nil {
		dst[flags] |= flagSession
		dst = append(dst, c.Session.ID[:]...)
		dst = binary.BigEndian.AppendUint64(dst, c.Session.Sequence)
		dst = binary.BigEndian.AppendUint64(dst, c.Session.Floor)
	}
	if c.Life != nil {
		dst[flags] |= flagLife
		dst = binary.BigEndian.AppendUint64(dst, *c.Life)
	}
	if c.Fence != nil {
		if len(c.Fence.LeaseToken) > registry.MaxStringBytes {
			return dst[:start], fmt.Errorf("lease token of %d bytes in a fence", len(c.Fence.LeaseToken))
		}
		dst[flags] |= flagFence
		dst = binary.BigEndian.AppendUint64(dst, c.Fence.FencingToken)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(c.Fence.LeaseToken)))
		dst = append(dst, c.Fence.LeaseToken...)
	}
	bodyStart := len(dst)
	dst, err := appendMsgpack(dst, c.Body)
	if err != nil {
		return dst[:start], fmt.Errorf("encode %v: %w", c.Body.Kind(), err)
	}
	if _, err := decodeBody(c.Body.Kind(), c.Body.version(), dst[bodyStart:]); err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// AppendEntry appends the bytes of an entry whose commands were encoded by
// AppendCommand, one after the other, into commands.
func AppendEntry(dst []byte, term, stampMs uint64, count int, commands []byte) []byte {
	start := len(dst)
	dst = append(dst, entryFormat)
	dst = binary.BigEndian.AppendUint64(dst, term)
	dst = binary.BigEndian.AppendUint64(dst, stampMs)
	dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, commands...)
	binary.BigEndian.PutUint32(dst[start+entryCRCOffset:], entryChecksum(dst[start:]))
	return dst
}

// EncodeEntry returns the bytes of a whole entry.
func EncodeEntry(e Entry) ([]byte, error) {
	var commands []byte
	for _, c := range e.Commands {
		var err error
		if commands, err = AppendCommand(commands, c); err != nil {
			return nil, err
		}
	}
	return AppendEntry(nil, e.Term, e.StampMs, len(e.Commands), commands), nil
}

func entryChecksum(entry []byte) uint32 {
	crc := crc32.Checksum(entry[:entryCRCOffset], castagnoli)
	return crc32.Update(crc, castagnoli, entry[entryHeaderBytes:])
}

// DecodeEntry decodes a log entry. It never allocates by a length or count
// that it was told without having seen as many bytes.
func DecodeEntry(data []byte) (Entry, error) {
	if len(data) < 1 {
		return Entry{}, errors.New("empty entry")
	}
	if data[0] != entryFormat {
		return Entry{}, fmt.Errorf("entry format %d, this program reads %d", data[0], entryFormat)
	}
	if len(data) < entryHeaderBytes {
		return Entry{}, fmt.Errorf("entry of %d bytes is shorter than its header", len(data))
	}
	if want, got := binary.BigEndian.Uint32(data[entryCRCOffset:]), entryChecksum(data); want != got {
		return Entry{}, fmt.Errorf("entry checksum %08x, computed %08x", want, got)
	}
	e := Entry{Term: binary.BigEndian.Uint64(data[1:]), StampMs: binary.BigEndian.Uint64(data[9:])}
	count := int(binary.BigEndian.Uint32(data[17:]))
	rest := data[entryHeaderBytes:]
	if count > len(rest)/minCommandBytes {
		return Entry{}, fmt.Errorf("entry of %d bytes cannot hold %d commands", len(data), count)
	}
	e.Commands = make([]Command, 0, count)
	for i := range count {
		if len(rest) < 4 {
			return Entry{}, fmt.Errorf("command %d: truncated", i)
		}
		length := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		if uint64(length) > uint64(len(rest)) {
			return Entry{}, fmt.Errorf("command %d: truncated", i)
		}
		c, err := decodeCommand(rest[:length])
		if err != nil {
			return Entry{}, fmt.Errorf("command %d: %w", i, err)
		}
		e.Commands = append(e.Commands, c)
		rest = rest[length:]
	}
	if len(rest) > 0 {
		return Entry{}, fmt.Errorf("%d bytes after the last command", len(rest))
	}
	return e, nil
}

// fields reads the fixed fields of a command in turn; short is set once there
// were not enough bytes.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if len(f.rest) < n {
		f.short = true
		return make([]byte, n)
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func decodeCommand(data []byte) (Command, error) {
	f := &fields{rest: data}
	kind := Kind(binary.BigEndian.Uint16(f.take(2)))
	version := f.take(1)[0]
	flags := f.take(1)[0]
	if flags&^knownFlags != 0 {
		return Command{}, fmt.Errorf("%v version %d: unknown flags %#x", kind, version, flags)
	}
	var c Command
	if flags&flagSession != 0 {
		c.Session = &SessionHeader{ID: SessionID(f.take(16)), Sequence: binary.BigEndian.Uint64(f.take(8)), Floor: binary.BigEndian.Uint64(f.take(8))}
	}
	if flags&flagLife != 0 {
		life := binary.BigEndian.Uint64(f.take(8))
		c.Life = &life
	}
	if flags&flagFence != 0 {
		fencing := binary.BigEndian.Uint64(f.take(8))
		length := int(binary.BigEndian.Uint16(f.take(2)))
		if length > registry.MaxStringBytes {
			return Command{}, fmt.Errorf("lease token of %d bytes in a fence", length)
		}
		c.Fence = &registry.Fence{FencingToken: fencing, LeaseToken: string(f.take(length))}
	}
	if f.short {
		return Command{}, errors.New("truncated header")
	}
	body, err := decodeBody(kind, version, f.rest)
	c.Body = body
	return c, err
}

func decodeBody(kind Kind, version uint8, data []byte) (Body, error) {
	body := bodyOf(kind, version)
	if body == nil {
		return nil, fmt.Errorf("%v version %d is not known to this program", kind, version)
	}
	if err := decodeMsgpack(data, body); err != nil {
		return nil, fmt.Errorf("%v version %d: %w", kind, version, err)
	}
	if l, ok := body.(loader); ok {
		if err := l.load(); err != nil {
			return nil, fmt.Errorf("%v version %d: %w", kind, version, err)
		}
	}
	return body, nil
}

// A body with stored forms loads them where its bytes become a command: apply
// has no way to refuse what it cannot read.
type loader interface{ load() error }
