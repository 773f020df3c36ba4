package fsm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/btree"

	"github.com/holdfast-registry/holdfast/registry"
)

// readSnapshot reads a whole snapshot into a new state. Anything that is not
// exactly what Write would have written is an error.
func readSnapshot(r io.Reader) (*state, error) {
	l := &stateLoader{state: newState()}
	if err := l.readAll(r, l.load); err != nil {
		return nil, err
	}
	if err := errors.Join(l.finishRow(), l.finishSession()); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return l.state, nil
}

// stateLoader builds a state frame by frame.
type stateLoader struct {
	frameReader
	state *state
	// row is the process whose events are being read; missing is how many are
	// still to come, terminal the sequence of the one that ended it.
	row      *process
	missing  uint64
	terminal uint64
	// session is the client session whose answers are being read;
	// missingAnswers is how many are still to come.
	session        *session
	missingAnswers uint64
}

// frameReader takes a snapshot apart and checks all that can be checked
// without knowing what is in the frames.
type frameReader struct {
	crc   uint32
	count uint64
}

// readAll hands every frame of a snapshot, but for the end frame, to load. The
// payload is used again for the next frame.
func (f *frameReader) readAll(r io.Reader, load func(frame byte, payload []byte) error) error {
	header := make([]byte, len(snapshotMagic)+2)
	if _, err := io.ReadFull(r, header); err != nil {
		return fmt.Errorf("read snapshot: header: %w", noEOF(err))
	}
	if string(header[:len(snapshotMagic)]) != snapshotMagic {
		return errors.New("read snapshot: this is not a snapshot of holdfast")
	}
	if version := binary.BigEndian.Uint16(header[len(snapshotMagic):]); version != snapshotVersion {
		return fmt.Errorf("read snapshot: version %d, this program reads %d", version, snapshotVersion)
	}
	decompressor, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	defer decompressor.Close()
	if err := f.readFrames(bufio.NewReaderSize(decompressor, 256<<10), load); err != nil {
		return fmt.Errorf("read snapshot: frame %d: %w", f.count+1, err)
	}
	return nil
}

func (f *frameReader) readFrames(r io.Reader, load func(frame byte, payload []byte) error) error {
	var header [frameHeaderBytes]byte
	var payload []byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return noEOF(err)
		}
		length := binary.BigEndian.Uint32(header[1:])
		if length > maxFrameBytes {
			return fmt.Errorf("%d bytes long, the limit is %d", length, maxFrameBytes)
		}
		if uint32(cap(payload)) < length {
			payload = make([]byte, length)
		}
		payload = payload[:length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return noEOF(err)
		}
		if header[0] == frameEnd {
			return f.end(r, payload)
		}
		if (f.count == 0) != (header[0] == frameCounters) {
			return errors.New("the counters must come first, and once")
		}
		if err := load(header[0], payload); err != nil {
			return err
		}
		f.crc = crc32.Update(crc32.Update(f.crc, castagnoli, header[:]), castagnoli, payload)
		f.count++
	}
}

// noEOF keeps a stream that ends too early from looking like one that ended.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *frameReader) end(r io.Reader, payload []byte) error {
	if len(payload) != endFrameBytes {
		return fmt.Errorf("end frame of %d bytes", len(payload))
	}
	if count := binary.BigEndian.Uint64(payload); count != f.count {
		return fmt.Errorf("the end frame tells of %d frames, read %d", count, f.count)
	}
	if crc := binary.BigEndian.Uint32(payload[8:]); crc != f.crc {
		return fmt.Errorf("checksum %08x, computed %08x", crc, f.crc)
	}
	if f.count == 0 {
		return errors.New("the counters are missing")
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return errors.New("bytes after the end frame")
	}
	return nil
}

func (l *stateLoader) load(frame byte, payload []byte) error {
	if l.session != nil && frame != frameSession && frame != frameAnswer {
		return fmt.Errorf("a frame of type %d behind the sessions", frame)
	}
	switch frame {
	case frameCounters:
		var stored storedCounters
		err := decodeMsgpack(payload, &stored)
		l.state.counters = stored.load()
		return err
	case frameEpoch:
		return l.loadEpoch(payload)
	case frameMember:
		var stored Member
		if err := decodeMsgpack(payload, &stored); err != nil {
			return err
		}
		if last, _, ok := l.state.members.Max(); ok && stored.NodeID <= last {
			return fmt.Errorf("member %q out of order", stored.NodeID)
		}
		l.state.members.Set(stored.NodeID, stored.InstanceID)
		return nil
	case frameProcess:
		return l.loadProcess(payload)
	case frameEvent:
		return l.loadEvent(payload)
	case frameAcks:
		return l.loadAcks(payload)
	case frameAttempts:
		return l.loadAttempts(payload)
	case frameGrant:
		return l.loadGrant(payload)
	case frameSession:
		return l.loadSession(payload)
	case frameAnswer:
		return l.loadAnswer(payload)
	default:
		return fmt.Errorf("unknown frame type %d", frame)
	}
}

func (l *stateLoader) loadEpoch(payload []byte) error {
	var stored storedEpoch
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if l.count != 1 || stored.RestoreEpoch == 0 {
		return fmt.Errorf("a restore epoch of %d, as frame %d", stored.RestoreEpoch, l.count+1)
	}
	l.state.RestoreEpoch = stored.RestoreEpoch
	return nil
}

func (l *stateLoader) loadProcess(payload []byte) error {
	if err := l.finishRow(); err != nil {
		return err
	}
	if l.state.grants.byScope.Len() > 0 {
		return errors.New("a process behind the grants")
	}
	var stored storedProcess
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if stored.EventCount > registry.MaxEventsPerProcess+uint64(len(coreTypes)) {
		return fmt.Errorf("process with %d events", stored.EventCount)
	}
	body := RegisterProcess{Registration: stored.Registration, Hash: stored.Hash}
	if err := body.load(); err != nil {
		return err
	}
	row := &process{record: body.record, hash: stored.Hash, index: new(eventIndex)}
	if err := row.loadFacts(stored); err != nil {
		return err
	}
	l.row, l.missing, l.terminal = row, stored.EventCount, stored.TerminalSequence
	return nil
}

func (l *stateLoader) loadEvent(payload []byte) error {
	if l.row == nil || l.missing == 0 {
		return errors.New("an event that belongs to no process")
	}
	var stored storedEvent
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if len(stored.PayloadHash) != 32 {
		return fmt.Errorf("payload hash of %d bytes", len(stored.PayloadHash))
	}
	e := &event{payloadHash: stored.PayloadHash, ProcessEvent: registry.ProcessEvent{
		ProcessID: l.row.record.ID, Sequence: uint64(len(l.row.events)) + 1, EventType: stored.EventType,
		Payload: stored.Payload, ReplayKey: stored.ReplayKey, OccurredAtMs: stored.OccurredAtMs,
	}}
	if stored.Terminal != nil {
		terminal, err := stored.Terminal.load()
		if err != nil {
			return err
		}
		e.Semantics.Terminal, e.outputHash = &terminal, stored.Terminal.OutputHash
	}
	if stored.Wake != nil {
		e.Semantics.Wake = &registry.EventWake{Input: stored.Wake.Input, DedupeKey: stored.Wake.DedupeKey}
	}
	l.row.append(e)
	l.missing--
	return nil
}

func (l *stateLoader) loadAcks(payload []byte) error {
	if l.row == nil || l.missing > 0 || l.row.acks != nil || l.row.attempts > 0 || l.row.notBeforeMs > 0 {
		return errors.New("acks that do not come behind the events of their process")
	}
	var stored storedAcks
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if len(stored.Sequences) == 0 {
		return errors.New("a frame for no acks")
	}
	acks, last := new(btree.Set[uint32]), uint32(0)
	for _, sequence := range stored.Sequences {
		if sequence <= last || sequence > registry.MaxEventSequence {
			return fmt.Errorf("the ack of sequence %d is out of order or range", sequence)
		}
		acks.Load(sequence)
		l.row.index.wakes.Delete(sequence)
		last = sequence
	}
	l.row.acks = acks
	return nil
}

func (l *stateLoader) loadAttempts(payload []byte) error {
	if l.row == nil || l.missing > 0 || l.row.attempts > 0 || l.row.notBeforeMs > 0 {
		return errors.New("attempts that do not come behind the events of their process")
	}
	var stored storedAttempts
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if stored == (storedAttempts{}) {
		return errors.New("a frame for no attempts")
	}
	l.row.attempts, l.row.notBeforeMs = stored.Attempts, stored.NotBeforeMs
	return nil
}

func (l *stateLoader) loadGrant(payload []byte) error {
	if err := l.finishRow(); err != nil {
		return err
	}
	var stored storedGrant
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	g := stored.load()
	row, ok := l.state.processes.Get(g.processID)
	if !ok {
		return fmt.Errorf("a grant of the process %q, which there is not", g.processID)
	}
	table := &l.state.grants
	if last, ok := table.byScope.Max(); ok && !table.byScope.Less(last, g) {
		return fmt.Errorf("the grant of process %q to %q comes twice or out of order", g.processID, g.scope.ScopeID())
	}
	g.processID = row.record.ID
	table.put(g)
	return nil
}

// finishRow puts a process into the state once all its events were read.
func (l *stateLoader) finishRow() error {
	row := l.row
	if row == nil {
		return nil
	}
	if l.missing > 0 {
		return fmt.Errorf("process %q lacks %d events", row.record.ID, l.missing)
	}
	if l.terminal > 0 {
		if l.terminal > uint64(len(row.events)) || row.events[l.terminal-1].Semantics.Terminal == nil {
			return fmt.Errorf("process %q was not ended by its event %d", row.record.ID, l.terminal)
		}
		wait := row.record.Wait
		row.end(row.events[l.terminal-1])
		row.record.Wait = wait
	}
	if last, _, ok := l.state.processes.Max(); ok && row.record.ID <= last {
		return fmt.Errorf("process %q comes twice or out of order", row.record.ID)
	}
	l.state.put(nil, row)
	l.row = nil
	return nil
}

// loadFacts fills in what a process learned after its registration.
func (p *process) loadFacts(stored storedProcess) (err error) {
	r := &p.record
	r.RegistrationHash = hexHash(stored.Hash)
	r.CreatedAtMs, r.UpdatedAtMs, r.Life, r.Revision = stored.CreatedAtMs, stored.UpdatedAtMs, stored.Life, stored.Revision
	if ref := stored.ExternalRef; ref != nil {
		if err := ref.check(); err != nil {
			return err
		}
		p.setExternalRef(*ref)
	}
	if r.FirstStarted, err = mapFallible(stored.FirstStarted, storedStarted.load); err != nil {
		return err
	}
	r.AbandonRequest = (*registry.AbandonRequest)(stored.AbandonRequest)
	if r.Wait, err = mapFallible(stored.Wait, storedWait.load); err != nil {
		return err
	}
	held := stored.Lease
	p.lease = lease{held: held.Held, token: held.Token, fencing: held.Fencing, claimedAtMs: held.ClaimedAtMs, endMs: held.EndMs}
	if held.Held != (held.Owner != nil) {
		return errors.New("a lease with a holder has an owner, and no other has")
	}
	if held.Owner != nil {
		p.lease.owner, err = held.Owner.load()
	}
	return err
}
