package fsm

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// withCRC makes the checksum of an entry right again.
func withCRC(entry []byte) []byte {
	binary.BigEndian.PutUint32(entry[entryCRCOffset:], entryChecksum(entry))
	return entry
}

// rawEntry makes an entry of one command from its bytes behind the length.
func rawEntry(command ...byte) []byte {
	framed := binary.BigEndian.AppendUint32(nil, uint32(len(command)))
	return AppendEntry(nil, 1, 2, 1, append(framed, command...))
}

// rawCommand makes the bytes of a command without flags.
func rawCommand(kind Kind, version, flags byte, body ...byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind), version, flags}, body...)
}

// releaseBody is the body of a release: an array of the strings "p" and "t".
var releaseBody = []byte{0x92, 0xa1, 'p', 0xa1, 't'}

func release(body ...byte) []byte {
	return rawEntry(rawCommand(KindCompleteProcessLease, 1, 0, body...)...)
}

// badEntries are bytes that every version must refuse. Accepting one would be
// a guess, and another replica may guess otherwise.
var badEntries = []struct {
	name   string
	make   func() []byte
	reason string
}{
	{"empty", func() []byte { return nil }, "empty entry"},
	{"future-entry-format", func() []byte { return withCRC(patch(release(releaseBody...), 0, 2)) }, "entry format 2, this program reads 1"},
	{"zero-entry-format", func() []byte { return withCRC(patch(release(releaseBody...), 0, 0)) }, "entry format 0"},
	{"short-header", func() []byte { return release(releaseBody...)[:entryHeaderBytes-1] }, "shorter than its header"},
	{"wrong-crc", func() []byte { return patch(release(releaseBody...), entryCRCOffset, 0x77) }, "checksum"},
	{"flipped-body", func() []byte { return patch(release(releaseBody...), entryHeaderBytes+10, 'q') }, "checksum"},
	{"flipped-stamp", func() []byte { return patch(release(releaseBody...), 12, 1) }, "checksum"},
	{"truncated-command", func() []byte { e := release(releaseBody...); return withCRC(e[:len(e)-1]) }, "command 0: truncated"},
	{"truncated-body", func() []byte { return release(releaseBody[:4]...) }, "EOF"},
	{"command-without-header", func() []byte { return withCRC(patch(AppendEntry(nil, 1, 2, 1, make([]byte, 9)), 28, 1)) }, "truncated header"},
	{"truncated-session", func() []byte { return rawEntry(rawCommand(KindTick, 1, flagSession, 0x90, 0, 0, 0)...) }, "truncated header"},
	{"truncated-life", func() []byte { return rawEntry(rawCommand(KindTick, 1, flagLife, 0x90, 0, 0, 0)...) }, "truncated header"},
	{"truncated-fence", func() []byte {
		return rawEntry(rawCommand(KindTick, 1, flagFence, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 'x', 0x90)...)
	}, "truncated header"},
	{"fence-token-too-long", func() []byte {
		return rawEntry(rawCommand(KindTick, 1, flagFence, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 1, 'x', 0x90)...)
	}, "lease token of 4097 bytes"},
	{"trailing-bytes", func() []byte { return withCRC(append(release(releaseBody...), 0)) }, "1 bytes after the last command"},
	{"trailing-body-bytes", func() []byte { return release(append(releaseBody[:5:5], 0xc0)...) }, "not in canonical form"},
	{"too-many-told", func() []byte { return AppendEntry(nil, 1, 2, 1<<31, nil) }, "cannot hold"},
	{"one-command-too-many-told", func() []byte { e := release(releaseBody...); return withCRC(patch(e, 20, 2)) }, "cannot hold 2 commands"},
	{"fewer-commands-told", func() []byte { e := release(releaseBody...); return withCRC(patch(e, 20, 0)) }, "bytes after the last command"},
	{"zero-kind", func() []byte { return rawEntry(rawCommand(0, 1, 0, 0x90)...) }, "kind 0 version 1 is not known"},
	{"unknown-kind", func() []byte { return rawEntry(rawCommand(999, 1, 0, 0x90)...) }, "kind 999 version 1 is not known"},
	{"reserved-kind", func() []byte { return rawEntry(rawCommand(KindRaiseFormat, 1, 0, 0x90)...) }, "kind 5 version 1 is not known"},
	{"future-body-version", func() []byte { return rawEntry(rawCommand(KindTick, 2, 0, 0x90)...) }, "kind 2 version 2 is not known"},
	{"zero-body-version", func() []byte { return rawEntry(rawCommand(KindTick, 0, 0, 0x90)...) }, "kind 2 version 0 is not known"},
	{"unknown-flags", func() []byte { return rawEntry(rawCommand(KindTick, 1, 1<<3, 0x90)...) }, "unknown flags 0x8"},
	{"short-array", func() []byte { return release(0x91, 0xa1, 'p') }, "not in canonical form"},
	{"empty-array", func() []byte { return release(0x90) }, "not in canonical form"},
	{"long-array", func() []byte { return release(0x93, 0xa1, 'p', 0xa1, 't', 0xc0) }, "not in canonical form"},
	{"wide-array", func() []byte { return release(0xdc, 0, 2, 0xa1, 'p', 0xa1, 't') }, "not in canonical form"},
	{"map-for-array", func() []byte { return release(0x81, 0xa9, 'P', 'r', 'o', 'c', 'e', 's', 's', 'I', 'D', 0xa1, 'p') }, "not in canonical form"},
	{"nil-for-array", func() []byte { return release(0xc0) }, "not in canonical form"},
	{"nil-for-string", func() []byte { return release(0x92, 0xa1, 'p', 0xc0) }, "not in canonical form"},
	{"bytes-for-string", func() []byte { return release(0x92, 0xa1, 'p', 0xc4, 1, 't') }, "not in canonical form"},
	{"array-for-string", func() []byte { return release(0x92, 0xa1, 'p', 0x91, 't') }, "not in canonical form"},
	{"wide-string", func() []byte { return release(0x92, 0xa1, 'p', 0xd9, 1, 't') }, "not in canonical form"},
	{"string-longer-than-all", func() []byte { return release(0x92, 0xa1, 'p', 0xdb, 0xff, 0xff, 0xff, 0xff, 't') }, "EOF"},
	{"wide-int", func() []byte { return renewal(0xcd, 0, 7) }, "not in canonical form"},
	{"float-for-int", func() []byte { return renewal(0xca, 0x40, 0xe0, 0, 0) }, "kind 66 version 1: "},
	{"negative-int", func() []byte { return renewal(0xff) }, "kind 66 version 1: "},
	{"nil-for-int", func() []byte { return renewal(0xc0) }, "not in canonical form"},
	{"enum-zero", func() []byte { return firstStarted(0) }, "LivenessKind has no number 0"},
	{"enum-unknown", func() []byte { return firstStarted(3) }, "LivenessKind has no number 3"},
	{"short-hash", func() []byte {
		return badBody(func() Body { b := registration("p", ""); b.Hash = b.Hash[:31]; return b }())
	}, "registration hash of 31 bytes"},
	{"short-payload-hash", func() []byte {
		return badBody(func() Body { b := note("p", "1", ""); b.PayloadHash = nil; return b }())
	}, "payload hash of 0 bytes"},
	{"short-output-hash", func() []byte {
		return badBody(func() Body { b := completion("p", success("1")); b.Terminal.OutputHash = []byte{1}; return b }())
	}, "output hash of 1 bytes"},
	{"short-external-ref-hash", func() []byte {
		return badBody(NewSetExternalRef("p", registry.ProcessExternalRef{Backend: "b", ID: "x"}, make([]byte, 31)))
	}, "external ref hash of 31 bytes"},
	{"unknown-wait", func() []byte {
		return badBody(func() Body { b := NewSetProcessWait("p", signalWait("go", 1)); b.Wait.Kind = 2; return b }())
	}, "WaitKind has no number 2"},
	{"unknown-verdict", func() []byte {
		return badBody(func() Body {
			b := NewReclaimProcessLease("p", localOwner(), registry.ProcessLease{}, "", 1, "t")
			b.Verdict = 3
			return b
		}())
	}, "HolderVerdict has no number 3"},
	{"unknown-core-type", func() []byte {
		return badBody(func() Body { b := registration("p", ""); b.Registration.EventTypes[0].Core = 8; return b }())
	}, "no core event type 8"},
}

func patch(entry []byte, offset int, to byte) []byte {
	entry[offset] = to
	return entry
}

// renewal has its fencing token encoded by the caller.
func renewal(fencing ...byte) []byte {
	body := append([]byte{0x96, 0xa1, 'p', 0xa1, 'o', 0xa1, 'i', 0xa1, 't'}, fencing...)
	return rawEntry(rawCommand(KindRenewProcessLease, 1, 0, append(body, 5)...)...)
}

// firstStarted has an owner whose liveness kind has a number.
func firstStarted(liveness byte) []byte {
	body := []byte{0x92, 0xa1, 'p', 0x92, 0x97, 0xa1, 'o', 0xa1, 'i', liveness, 0xa0, 0xa0, 0, 0xa0, 9}
	return rawEntry(rawCommand(KindRecordFirstStarted, 1, 0, body...)...)
}

// badBody encodes a body as AppendCommand does, without its check.
func badBody(body Body) []byte {
	command, err := appendMsgpack(rawCommand(body.Kind(), body.version(), 0), body)
	if err != nil {
		panic(err)
	}
	return rawEntry(command...)
}

func TestBadEntriesAreRefused(t *testing.T) {
	for _, bad := range badEntries {
		t.Run(bad.name, func(t *testing.T) {
			data := goldenFile(t, "bad-"+bad.name, bad.make())
			_, err := DecodeEntry(data)
			if err == nil || !strings.Contains(err.Error(), bad.reason) {
				t.Errorf("%v, want %q", err, bad.reason)
			}
		})
	}
}

func TestTheVectorsThatAreSpoiltAreGoodBefore(t *testing.T) {
	for name, data := range map[string][]byte{"release": release(releaseBody...), "renewal": renewal(7), "first started": firstStarted(1)} {
		if _, err := DecodeEntry(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnEntryThatCannotBeReadStopsTheMachineAndChangesNothing(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	before, hash := r.position(), r.hash()
	for _, bad := range badEntries {
		_, err := r.m.Apply(99, 1, bad.make())
		if err == nil || !strings.Contains(err.Error(), "log entry 99 cannot be applied") {
			t.Errorf("%s: %v", bad.name, err)
		}
	}
	if r.position() != before || r.hash() != hash {
		t.Error("the state moved")
	}
}

func TestACommandThatCouldNotBeReadIsNeverWritten(t *testing.T) {
	bad := registration("p", "")
	bad.Registration.Disposition = 0
	dst, err := AppendCommand([]byte("before"), Command{Body: bad})
	if err == nil || string(dst) != "before" {
		t.Errorf("%q, %v", dst, err)
	}
	if _, err := EncodeEntry(Entry{Commands: []Command{{Body: bad}}}); err == nil {
		t.Error("the entry was encoded")
	}
	long := Command{Body: &Tick{}, Fence: &registry.Fence{LeaseToken: strings.Repeat("x", registry.MaxStringBytes+1)}}
	if dst, err := AppendCommand([]byte("before"), long); err == nil || string(dst) != "before" {
		t.Errorf("%q, %v", dst, err)
	}
}
