package fsm

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func BenchmarkEncodeEntry(b *testing.B) {
	for _, g := range goldenEntries() {
		b.Run(g.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncodeEntry(g.entry); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	for _, g := range goldenEntries() {
		data, err := EncodeEntry(g.entry)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(g.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := DecodeEntry(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchmarkApply applies entries of so many commands to a state of 10,000 rows.
// Decoding is part of it.
func benchmarkApply(b *testing.B, body func(i int) Body) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			r := newRig(b)
			r.fill(10_000, nil)
			var entries [][]byte
			for i := range 100 {
				commands := make([]Command, batch)
				for j := range commands {
					commands[j].Body = body(i*batch + j)
				}
				data, err := EncodeEntry(Entry{Term: 1, StampMs: r.stamp, Commands: commands})
				if err != nil {
					b.Fatal(err)
				}
				entries = append(entries, data)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.index++
				if _, err := r.m.Apply(r.index, 1, entries[i%len(entries)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i*batch), "ns/command")
		})
	}
}

func rowID(i int) string { return fmt.Sprintf("p%06d", i*7919%10_000) }

func BenchmarkApplyClaim(b *testing.B) {
	benchmarkApply(b, func(i int) Body { return claim(rowID(i), 30_000, "token") })
}

func BenchmarkApplyAppend(b *testing.B) {
	benchmarkApply(b, func(i int) Body { return note(rowID(i), `{"line":"some output of a process"}`, "") })
}

func BenchmarkApplyAppendWake(b *testing.B) {
	benchmarkApply(b, func(i int) Body { return waking(rowID(i), `{"line":"some output of a process"}`, "") })
}

// BenchmarkApplyAck acks sequences one after the other, so that the set becomes
// as long as it can.
func BenchmarkApplyAck(b *testing.B) {
	r := newRig(b)
	r.fill(1, nil)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		if i%registry.MaxEventSequence == 0 {
			row, _ := r.m.state.processes.Get("p000000")
			fresh := *row
			fresh.acks = nil
			r.m.state.put(row, &fresh)
		}
		r.m.state.applyAckWake(&AckWake{"p000000", i%registry.MaxEventSequence + 1})
	}
}

func BenchmarkApplyGrant(b *testing.B) {
	benchmarkApply(b, func(i int) Body { return grantTo(scope(fmt.Sprintf("session-%d", i%1000), ""), rowID(i), "label") })
}

// BenchmarkDeleteSession deletes the largest session that there can be.
func BenchmarkDeleteSession(b *testing.B) {
	r := newRig(b)
	r.fill(registry.MaxGrantsPerSession, nil)
	target := scope("s", "")
	for b.Loop() {
		b.StopTimer()
		for i := range registry.MaxGrantsPerSession {
			r.m.state.grants.put(&grant{scope: target, processID: rowID(i)})
			row, _ := r.m.state.processes.Get(rowID(i))
			targeted := *row
			targeted.record.WakeTarget = &target
			r.m.state.put(row, &targeted)
		}
		b.StartTimer()
		if result := r.m.state.applyDeleteSessionProcessState(&DeleteSessionProcessState{SessionID: "s"}); result.DeletedSession.RevokedHandleCount != registry.MaxGrantsPerSession {
			b.Fatal(result.DeletedSession.RevokedHandleCount)
		}
	}
}

// BenchmarkPruneStep takes the largest step, of a thousand rows with 19 events
// and a grant each, out of 100,000.
func BenchmarkPruneStep(b *testing.B) {
	var r *rig
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			r = newRig(b)
			r.stamp = 1 << 20
			r.do(&Tick{})
			r.fillEnded(100_000, func(int) int { return 19 })
			for i := range 100_000 {
				r.m.state.grants.put(&grant{scope: scope(fmt.Sprintf("s%d", i%100), ""), processID: fmt.Sprintf("p%06d", i)})
			}
			r.m.Snapshot() // the tables are shared, as they are for a while after one
			left = 100
			b.StartTimer()
		}
		left--
		if step := r.m.state.applyPruneTerminalProcesses(&PruneTerminalProcesses{CutoffMs: ^uint64(0)}).Pruned; step.Processes != maxPrunedProcesses {
			b.Fatal(step)
		}
	}
}

func BenchmarkApplyRenew(b *testing.B) {
	// Refused renewals would be cheaper: the lease is claimed in the same entry.
	benchmarkApply(b, func(i int) Body {
		if i%2 == 0 {
			return claim(rowID(i/2), 30_000, "token")
		}
		return NewRenewProcessLease(registry.ProcessLease{ProcessID: rowID(i / 2), Owner: owner("w", "token"), LeaseToken: "token", FencingToken: uint64(i/2 + 1)}, 30_000)
	})
}

func snapshotOf100k(b *testing.B) *rig {
	r := newRig(b)
	r.fill(100_000, func(i int, row *process) {
		for j := range uint64(3) {
			row.append(&event{ProcessEvent: registry.ProcessEvent{
				ProcessID: row.record.ID, Sequence: j + 1, EventType: "note", Payload: registry.JSON(`{"line":"some output of a process"}`),
			}, payloadHash: hashOf("note", fmt.Sprint(i, j))})
		}
	})
	return r
}

func BenchmarkSnapshotWrite100kRows(b *testing.B) {
	r := snapshotOf100k(b)
	for b.Loop() {
		if err := r.m.Snapshot().Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotRestore100kRows(b *testing.B) {
	file := write(b, snapshotOf100k(b).m.Snapshot())
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if err := NewMachine().Restore(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotFreeze100kRows(b *testing.B) {
	r := snapshotOf100k(b)
	for b.Loop() {
		r.m.Snapshot()
	}
}
