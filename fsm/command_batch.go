package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// Batch carries operations that apply all or not at all, each as it would
// stand in an entry of its own, without its length.
type Batch struct {
	Operations [][]byte

	commands []Command
}

// NewBatch makes the command body of a batch.
func NewBatch(commands []Command) (*Batch, error) {
	b := &Batch{}
	for _, c := range commands {
		data, err := AppendCommand(nil, c)
		if err != nil {
			return nil, err
		}
		b.Operations = append(b.Operations, data[4:])
	}
	return b, b.load()
}

func (b *Batch) load() error {
	if len(b.Operations) == 0 || len(b.Operations) > registry.MaxBatchOperations {
		return fmt.Errorf("batch of %d operations", len(b.Operations))
	}
	b.commands = make([]Command, 0, len(b.Operations))
	for i, data := range b.Operations {
		// Looked at before it is decoded, so that batches never nest.
		if len(data) < 2 || !batchable[Kind(binary.BigEndian.Uint16(data))] {
			return fmt.Errorf("operation %d cannot be part of a batch", i)
		}
		c, err := decodeCommand(data)
		if err == nil && c.Session != nil {
			err = errors.New("it has a session of its own")
		}
		if err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		b.commands = append(b.commands, c)
	}
	return nil
}

// batchable are the kinds that a batch may hold: one write on processes each.
var batchable = map[Kind]bool{
	KindRegisterProcess: true, KindSetExternalRef: true, KindCompleteProcess: true, KindRecordFirstStarted: true,
	KindRequestProcessAbandon: true, KindSetProcessWait: true, KindClearProcessWait: true,
	KindAppendEvent: true, KindAckWake: true,
	KindGrantHandle: true, KindRevokeHandle: true, KindTransferHandleGrants: true, KindDeleteSessionProcessState: true,
	KindClaimProcessLease: true, KindReclaimProcessLease: true, KindRenewProcessLease: true, KindCompleteProcessLease: true,
	KindReleaseForRetry: true,
}

func (*Batch) Kind() Kind     { return KindBatch }
func (*Batch) version() uint8 { return 1 }
