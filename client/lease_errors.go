package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// Why a handle of a lease has ended. What its methods return, and the cause of
// its context, match one of them and are errors of the catalogue too.
var (
	// ErrLeaseLost is returned when a lease is not to be trusted any more,
	// though its program did not let it go: LeaseExpired when its time ran out,
	// Fenced when the cluster said so.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrLeaseClosed is returned when Release or Close of the handle, or Close
	// of its client, ended it.
	ErrLeaseClosed = errors.New("the handle of the lease is closed")
)

// leaseError is why a handle ended.
type leaseError struct {
	// reason is ErrLeaseLost or ErrLeaseClosed.
	reason error
	failed *registry.Error
}

// Error is the catalogue's text.
func (e *leaseError) Error() string { return e.failed.Error() }

// Unwrap gives both to errors.Is and errors.As.
func (e *leaseError) Unwrap() []error { return []error{e.reason, e.failed} }

// catalogued is an error as one of the catalogue.
func catalogued(err error) *registry.Error {
	var known *registry.Error
	if !errors.As(err, &known) {
		return registry.Errorf(registry.CodeInternal, registry.Fields{}, "%v", err)
	}
	return known
}

func expired(processID, format string, args ...any) *registry.Error {
	return registry.Errorf(registry.CodeLeaseExpired, registry.Fields{ProcessID: processID}, format, args...)
}

// ranOut is the end of a handle whose renewals were not answered in time.
func (l *Lease) ranOut(now time.Duration) *leaseError {
	why := ""
	if l.failed != nil {
		why = fmt.Sprintf("; the last attempt to renew it: %v", l.failed)
	}
	return &leaseError{ErrLeaseLost, expired(l.lease.ProcessID,
		"the lease of process `%s` with fencing token %d is not to be trusted: %v ago it was last renewed, for %v: stop the work, or claim it again%s",
		l.lease.ProcessID, l.lease.FencingToken, (now - l.sent).Round(time.Millisecond), l.ttl, why)}
}

// takenAway is the end of a handle whose lease is not the current one.
func takenAway(failed *registry.Error) *leaseError { return &leaseError{ErrLeaseLost, failed} }

// closed is the end of a handle that its own program let go.
func (l *Lease) closed() *leaseError {
	return &leaseError{ErrLeaseClosed, expired(l.lease.ProcessID,
		"the handle of the lease of process `%s` is closed: claim the process again to go on with it", l.lease.ProcessID)}
}

// BusyError is the answer to a claim of a process whose lease somebody else
// holds. It is no error of the catalogue: the registry answers it like any
// other outcome of a claim.
type BusyError struct {
	// Holder is the lease that stands in the way. Its end moves on with each of
	// its renewals.
	Holder registry.ProcessLease
}

// Error names the process and its holder.
func (e *BusyError) Error() string {
	owner := e.Holder.Owner
	return fmt.Sprintf("process `%s` is leased to owner %q (incarnation %q) with fencing token %d: leave the work to it, or claim again once it has released the lease or let it expire",
		e.Holder.ProcessID, owner.OwnerID, owner.IncarnationID, e.Holder.FencingToken)
}
