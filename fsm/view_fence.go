package fsm

import "github.com/holdfast-registry/holdfast/registry"

// CheckFence tells what a fencing token is worth. Spec A24.
func (v View) CheckFence(id string, fencingToken uint64) (registry.FenceStatus, error) {
	p, ok := v.state.processes.Get(id)
	if !ok {
		return registry.FenceStatus{}, unknownProcess(id)
	}
	status := registry.FenceStatus{
		Current:      p.lease.held && p.lease.fencing == fencingToken,
		FencingToken: p.lease.fencing,
	}
	if status.Current && v.state.live(p.lease) {
		status.Live = true
		status.LeaseTimeLeftMs = p.lease.endMs - v.state.LeaseTimeMs
	}
	return status, nil
}
