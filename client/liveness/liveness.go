// Package liveness says whether the holder of a lease has died, as far as that
// can be seen from the process that asks: the same host, and the same boot of
// it. Spec A5 and 5.27.
//
// # Who can be judged
//
// An owner that is to be judged carries where it runs: a local_process liveness
// with host id, boot id, pid and the time at which the process started. Self
// and Of read it from /proc:
//
//   - The host id names the machine, the PID namespace and the time namespace.
//     Two containers on one kernel number their processes each for itself, so
//     they must never pass for one host; nor must two time namespaces, in which
//     one process shows two start times. The machine's part is a digest of
//     /etc/machine-id, or of the host name where there is none.
//   - The boot id is the kernel's own, new at every boot.
//   - The start time is field 22 of /proc/PID/stat. A pid that was given to
//     another process later has another one.
//
// Where any of this cannot be read (no Linux, no /proc, the /proc of another
// PID namespace), the liveness is opaque, and an opaque owner is never dead.
//
// # What counts as death
//
// A holder is dead if no process has its pid any more, or the one that has it
// started at another time. Everything else is unknown, and there is no third
// verdict, since nothing proves life: a process that was killed and not yet
// waited for by its parent (a zombie) has its pid and its start time still. Its
// lease is free for others when the parent has waited, or with its ttl.
//
// After a reboot the boot id differs, so nothing is known of owners before it.
// A virtual machine that is copied while it runs keeps its ids, and is not told
// apart from the copy.
package liveness

import (
	"fmt"
	"os"

	"github.com/holdfast-registry/holdfast/registry"
)

// Judgement is a verdict and what it rests on.
type Judgement struct {
	Verdict registry.HolderVerdict
	// Reason is for people: one clause, such as "process 4711 has ended".
	Reason string
}

// Self is the liveness of this process; opaque where it cannot be read.
func Self() registry.LeaseOwnerLiveness { return here().self() }

// Of is the liveness of another process of this host, for a lease that is taken
// on its behalf. It fails where there is no such process to be read.
func Of(pid uint32) (registry.LeaseOwnerLiveness, error) { return here().of(pid) }

// Judge tells whether the holder of a lease has died. It looks only if the
// holder, the claimant and this process are of one host and boot; the
// claimant's own pid does not matter. A holder that is dead stays dead: the
// verdict never becomes wrong later.
func Judge(holder, claimant registry.LeaseOwnerLiveness) Judgement {
	return here().judge(holder, claimant)
}

// host is the machine as this process sees it.
type host struct {
	// root is where the file system is; tests put a made one here.
	root string
	// pid is this process in its own PID namespace.
	pid uint32
	// gone tells that the kernel knows no process of a pid.
	gone func(pid uint32) bool
}

func here() host { return host{root: "/", pid: uint32(os.Getpid()), gone: gone} }

func (h host) self() registry.LeaseOwnerLiveness {
	l, err := h.of(h.pid)
	if err != nil {
		return registry.LeaseOwnerLiveness{Kind: registry.LivenessOpaque}
	}
	return l
}

func (h host) of(pid uint32) (registry.LeaseOwnerLiveness, error) {
	l, err := h.place()
	if err != nil {
		return l, err
	}
	l.PID = pid
	if l.ProcessStart, err = h.start(pid); err != nil {
		return registry.LeaseOwnerLiveness{}, fmt.Errorf("process %d cannot be looked at: %w", pid, err)
	}
	return l, nil
}

func (h host) judge(holder, claimant registry.LeaseOwnerLiveness) Judgement {
	unknown := func(reason string) Judgement { return Judgement{registry.VerdictUnknown, reason} }
	dead := func(reason string) Judgement { return Judgement{registry.VerdictDead, reason} }

	switch {
	case holder.Kind != registry.LivenessLocalProcess:
		return unknown("the holder does not say where it runs")
	case claimant.Kind != registry.LivenessLocalProcess:
		return unknown("the claimant does not say where it runs")
	case !holder.SameHost(claimant):
		return unknown("the holder runs on another host, in another container, or ran before the last boot")
	}
	place, err := h.place()
	if err != nil {
		return unknown(err.Error())
	}
	if !holder.SameHost(place) {
		return unknown("holder and claimant run on another host than the one that judges")
	}
	if holder.ProcessStart == "" || !possible(holder.PID) {
		return unknown("the holder's pid or start time is missing")
	}

	start, err := h.start(holder.PID)
	switch {
	case err == nil && start != holder.ProcessStart:
		return dead(fmt.Sprintf("process %d has ended, and another one has its pid", holder.PID))
	case err == nil:
		return unknown(fmt.Sprintf("process %d is still there", holder.PID))
	case os.IsNotExist(err) && h.gone(holder.PID):
		return dead(fmt.Sprintf("process %d has ended", holder.PID))
	default:
		return unknown(fmt.Sprintf("process %d cannot be looked at: %v", holder.PID, err))
	}
}
