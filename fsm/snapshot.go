package fsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/holdfast-registry/holdfast/registry"
)

// The bytes of a snapshot, all numbers big-endian:
//
//	size
//	6     magic "HFSNAP"
//	2     snapshot version, 1
//	…     one zstd stream of frames, in this order: one counters frame, if a
//	      backup was ever restored an epoch frame, the members by node id, then
//	      for every process by id its process frame, its event frames by
//	      sequence and, if there are any, its acks and its attempts, then the
//	      grants by session id, frame id and process id, then for every client
//	      session by id its session frame and its answer frames by sequence,
//	      last the end frame
//
//	frame
//	1     frame type, zero is invalid
//	4     length of the payload
//	…     payload: one msgpack array, fields in order; for the end frame
//	      8 count of the frames before it, 4 CRC32C of all their bytes
const (
	snapshotMagic   = "HFSNAP"
	snapshotVersion = 1
)

const (
	frameCounters byte = 1
	frameMember   byte = 2
	frameProcess  byte = 3
	frameEvent    byte = 4
	frameGrant    byte = 5
	frameAcks     byte = 6
	frameAttempts byte = 7
	frameEpoch    byte = 8
	frameSession  byte = 16
	frameAnswer   byte = 17
	frameEnd      byte = 255
)

// frames are the types that may come before the end frame.
var frames = []byte{frameCounters, frameMember, frameProcess, frameEvent, frameGrant, frameAcks, frameAttempts, frameEpoch, frameSession, frameAnswer}

const (
	frameHeaderBytes = 5
	endFrameBytes    = 12
	// maxFrameBytes bounds what a restore allocates for one frame: the largest
	// row is a request, which holds few values beside its free JSON.
	maxFrameBytes = 16 << 20
)

type storedCounters struct {
	Index        uint64
	Term         uint64
	Revision     uint64
	ClockMs      uint64
	LeaseTimeMs  uint64
	Fencing      uint64
	TakeoverTerm uint64
	Proposer     string
	ClusterID    string
}

func storeCounters(c counters) storedCounters {
	if mutant == forgetsFencingInSnapshot {
		c.Fencing = 0
	}
	return storedCounters{c.Index, c.Term, c.Revision, c.ClockMs, c.LeaseTimeMs, c.Fencing, c.TakeoverTerm, c.Proposer, c.ClusterID}
}

func (c storedCounters) load() counters {
	return counters{
		Index: c.Index, Term: c.Term, Revision: c.Revision, ClockMs: c.ClockMs, LeaseTimeMs: c.LeaseTimeMs,
		Fencing: c.Fencing, TakeoverTerm: c.TakeoverTerm, Proposer: c.Proposer, ClusterID: c.ClusterID,
	}
}

// storedEpoch is the restore epoch, which is only written above 0: the first
// snapshots had none.
type storedEpoch struct {
	RestoreEpoch uint64
}

type storedLease struct {
	Held        bool
	Owner       *storedOwner
	Token       string
	Fencing     uint64
	ClaimedAtMs uint64
	EndMs       uint64
}

type storedProcess struct {
	// Registration holds the wake target as it is now.
	Registration     storedRegistration
	Hash             []byte
	CreatedAtMs      uint64
	UpdatedAtMs      uint64
	Life             uint64
	Revision         uint64
	ExternalRef      *storedExternalRef
	FirstStarted     *storedStarted
	AbandonRequest   *storedAbandonRequest
	Wait             *storedWait
	Lease            storedLease
	EventCount       uint64
	TerminalSequence uint64
}

type storedEvent struct {
	EventType    string
	Payload      []byte
	PayloadHash  []byte
	ReplayKey    string
	Terminal     *storedTerminal
	Wake         *storedWake
	OccurredAtMs uint64
}

// storedAcks are the acked sequences of a process, ascending.
type storedAcks struct {
	Sequences []uint32
}

type storedWake struct {
	Input     string
	DedupeKey string
}

// storedAttempts is written for processes that claim-next has handed out or
// was told to leave alone.
type storedAttempts struct {
	Attempts    uint64
	NotBeforeMs uint64
}

type storedSession struct {
	ID          SessionID
	Floor       uint64
	EndMs       uint64
	AnswerCount uint64
}

type storedKeptAnswer struct {
	Sequence uint64
	// Answer is a storedAnswer.
	Answer []byte
}

// Snapshot is a state as it was at one log entry. It never changes and may be
// written from any goroutine.
type Snapshot struct{ frozen *frozen }

// Index returns the log index at which the state was frozen.
func (s *Snapshot) Index() uint64 { return s.frozen.Index }

// Write writes the snapshot, row by row.
func (s *Snapshot) Write(w io.Writer) error {
	header := binary.BigEndian.AppendUint16([]byte(snapshotMagic), snapshotVersion)
	if _, err := w.Write(header); err != nil {
		return err
	}
	compressor, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(compressor, 256<<10)
	if err := s.frozen.writeFrames(&frameWriter{w: buffered}); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return compressor.Close()
}

// Hash returns the SHA-256 of the snapshot's frames in hex. Equal states have
// equal hashes; it takes time in proportion to the state.
func (s *Snapshot) Hash() (string, error) {
	digest := sha256.New()
	buffered := bufio.NewWriterSize(digest, 64<<10)
	if err := s.frozen.writeFrames(&frameWriter{w: buffered}); err != nil {
		return "", err
	}
	if err := buffered.Flush(); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// frameWriter writes frames and keeps their count and checksum.
type frameWriter struct {
	w       io.Writer
	crc     uint32
	count   uint64
	scratch []byte
}

func (f *frameWriter) write(frame byte, payload any) (err error) {
	f.scratch = append(f.scratch[:0], frame, 0, 0, 0, 0)
	if f.scratch, err = appendMsgpack(f.scratch, payload); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(f.scratch[1:], uint32(len(f.scratch)-frameHeaderBytes))
	f.crc = crc32.Update(f.crc, castagnoli, f.scratch)
	f.count++
	_, err = f.w.Write(f.scratch)
	return err
}

func (f *frameWriter) end() error {
	out := []byte{frameEnd, 0, 0, 0, endFrameBytes}
	out = binary.BigEndian.AppendUint64(out, f.count)
	out = binary.BigEndian.AppendUint32(out, f.crc)
	_, err := f.w.Write(out)
	return err
}

func (s *frozen) writeFrames(f *frameWriter) (err error) {
	if err := f.write(frameCounters, storeCounters(s.counters)); err != nil {
		return err
	}
	if s.RestoreEpoch > 0 {
		if err := f.write(frameEpoch, storedEpoch{s.RestoreEpoch}); err != nil {
			return err
		}
	}
	s.members.Scan(func(nodeID, instanceID string) bool {
		err = f.write(frameMember, Member{NodeID: nodeID, InstanceID: instanceID})
		return err == nil
	})
	if err != nil {
		return err
	}
	s.processes.Scan(func(_ string, p *process) bool {
		if err = f.write(frameProcess, storeProcess(p)); err != nil {
			return false
		}
		for _, e := range p.events {
			if err = f.write(frameEvent, storeEvent(e)); err != nil {
				return false
			}
		}
		if p.acks != nil {
			err = f.write(frameAcks, storedAcks{Sequences: p.acks.Keys()})
		}
		if err == nil && (p.attempts > 0 || p.notBeforeMs > 0) {
			err = f.write(frameAttempts, storedAttempts{Attempts: p.attempts, NotBeforeMs: p.notBeforeMs})
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	s.grants.Scan(func(g *grant) bool {
		err = f.write(frameGrant, storeGrant(g))
		return err == nil
	})
	if err != nil {
		return err
	}
	if mutant == forgetsSessionsInSnapshot {
		return f.end()
	}
	s.sessions.Scan(func(_ string, row *session) bool {
		err = f.write(frameSession, storedSession{ID: row.id, Floor: row.floor, EndMs: row.endMs, AnswerCount: uint64(len(row.answers))})
		for i := 0; i < len(row.answers) && err == nil; i++ {
			err = f.write(frameAnswer, storedKeptAnswer{Sequence: row.answers[i].sequence, Answer: row.answers[i].data})
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	return f.end()
}

func storeProcess(p *process) storedProcess {
	r := &p.record
	out := storedProcess{
		Registration: storeRegistration(registry.ProcessRegistration{
			ID: r.ID, Input: r.Input, Disposition: r.Disposition, Identity: r.Identity, EventTypes: r.EventTypes,
			Provenance: r.Provenance, EnvRef: r.EnvRef, WakeTarget: r.WakeTarget, Fencing: r.Fencing,
		}),
		Hash: p.hash, CreatedAtMs: r.CreatedAtMs, UpdatedAtMs: r.UpdatedAtMs, Life: r.Life, Revision: r.Revision,
		EventCount: uint64(len(p.events)),
	}
	if p.ref != nil {
		ref := storeExternalRef(p.ref.ProcessExternalRef, p.ref.hash)
		out.ExternalRef = &ref
	}
	out.FirstStarted = mapOptional(r.FirstStarted, storeStarted)
	out.AbandonRequest = (*storedAbandonRequest)(r.AbandonRequest)
	out.Wait = mapOptional(r.Wait, storeWait)
	out.Lease = storedLease{Held: p.lease.held, Token: p.lease.token, Fencing: p.lease.fencing, ClaimedAtMs: p.lease.claimedAtMs, EndMs: p.lease.endMs}
	if p.lease.held {
		owner := storeOwner(p.lease.owner)
		out.Lease.Owner = &owner
	}
	if p.terminal != nil {
		out.TerminalSequence = p.terminal.Sequence
	}
	return out
}

func storeEvent(e *event) storedEvent {
	out := storedEvent{
		EventType: e.EventType, Payload: e.Payload, PayloadHash: e.payloadHash, ReplayKey: e.ReplayKey, OccurredAtMs: e.OccurredAtMs,
	}
	if t := e.Semantics.Terminal; t != nil {
		terminal := storeTerminal(*t, e.outputHash)
		out.Terminal = &terminal
	}
	if w := e.Semantics.Wake; w != nil {
		out.Wake = &storedWake{Input: w.Input, DedupeKey: w.DedupeKey}
	}
	return out
}
