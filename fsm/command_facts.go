package fsm

import "github.com/holdfast-registry/holdfast/registry"

// RecordFirstStarted carries the fact that execution began.
type RecordFirstStarted struct {
	ProcessID string
	Started   storedStarted

	started registry.ProcessStarted
}

// NewRecordFirstStarted makes the command body of a first start.
func NewRecordFirstStarted(processID string, started registry.ProcessStarted) *RecordFirstStarted {
	return &RecordFirstStarted{ProcessID: processID, Started: storeStarted(started)}
}

func (c *RecordFirstStarted) load() (err error) {
	c.started, err = c.Started.load()
	return err
}

// SetExternalRef carries a reference and the hash by which an equal one is
// known: that of its canonical JSON form.
type SetExternalRef struct {
	ProcessID string
	Ref       storedExternalRef
}

// NewSetExternalRef makes the command body of an external ref. hash is the
// SHA-256 of its canonical JSON form.
func NewSetExternalRef(processID string, ref registry.ProcessExternalRef, hash []byte) *SetExternalRef {
	return &SetExternalRef{ProcessID: processID, Ref: storeExternalRef(ref, hash)}
}

func (c *SetExternalRef) load() error { return c.Ref.check() }

// RequestProcessAbandon carries the wish that a process be given up.
type RequestProcessAbandon struct {
	ProcessID string
	Request   storedAbandonRequest
}

// NewRequestProcessAbandon makes the command body of an abandon request.
func NewRequestProcessAbandon(processID string, request registry.AbandonRequest) *RequestProcessAbandon {
	return &RequestProcessAbandon{ProcessID: processID, Request: storedAbandonRequest(request)}
}

// SetProcessWait carries what a process waits for.
type SetProcessWait struct {
	ProcessID string
	Wait      storedWait

	wait registry.WaitState
}

// NewSetProcessWait makes the command body of a wait.
func NewSetProcessWait(processID string, wait registry.WaitState) *SetProcessWait {
	return &SetProcessWait{ProcessID: processID, Wait: storeWait(wait)}
}

func (c *SetProcessWait) load() (err error) {
	c.wait, err = c.Wait.load()
	return err
}

// ClearProcessWait names the process that waits no longer.
type ClearProcessWait struct {
	ProcessID string
}

func (*RecordFirstStarted) Kind() Kind    { return KindRecordFirstStarted }
func (*SetExternalRef) Kind() Kind        { return KindSetExternalRef }
func (*RequestProcessAbandon) Kind() Kind { return KindRequestProcessAbandon }
func (*SetProcessWait) Kind() Kind        { return KindSetProcessWait }
func (*ClearProcessWait) Kind() Kind      { return KindClearProcessWait }

func (*RecordFirstStarted) version() uint8    { return 1 }
func (*SetExternalRef) version() uint8        { return 1 }
func (*RequestProcessAbandon) version() uint8 { return 1 }
func (*SetProcessWait) version() uint8        { return 1 }
func (*ClearProcessWait) version() uint8      { return 1 }
