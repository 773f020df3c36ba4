package decide

import (
	"context"
	"encoding/hex"
	"io"

	"github.com/holdfast-registry/holdfast/fsm"
	"github.com/holdfast-registry/holdfast/registry"
)

var _ registry.Sessions = (*Registry)(nil)

// sessionHeader checks a stamp and gives it the form of the log.
func sessionHeader(stamp registry.SessionStamp) (*fsm.SessionHeader, error) {
	id, err := sessionID(stamp.ID)
	if err != nil {
		return nil, err
	}
	if stamp.Sequence == 0 {
		return nil, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "session.sequence"},
			"session.sequence is 0: the writes of a session are numbered from 1")
	}
	floor := max(stamp.Floor, 1)
	if floor > stamp.Sequence {
		return nil, registry.Errorf(registry.CodeInvalidArgument,
			registry.Fields{Field: "session.floor", Limit: &stamp.Sequence, Value: &floor},
			"session.floor is %d, above the sequence %d of the write itself, whose answer is wanted", floor, stamp.Sequence)
	}
	return &fsm.SessionHeader{ID: id, Sequence: stamp.Sequence, Floor: floor}, nil
}

// sessionID reads a session's id: 128 bits in hex, as OpenSession gave it.
func sessionID(text string) (id fsm.SessionID, err error) {
	if n, err := hex.Decode(id[:], []byte(text[:min(len(text), 2*len(id))])); err != nil || n < len(id) || len(text) > 2*len(id) {
		return id, registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "session.id"},
			"session.id is not one that was given: it has 32 hexadecimal digits")
	}
	return id, nil
}

// inSession makes the commands of a decision happen once.
func (d Decision) inSession(header *fsm.SessionHeader) Decision {
	return func(records Records) (fsm.Command, error) {
		c, err := d(records)
		c.Session = header
		return c, err
	}
}

// OpenSession implements registry.Sessions.
func (r *Registry) OpenSession(ctx context.Context) (string, error) {
	var id fsm.SessionID
	if _, err := io.ReadFull(r.entropy, id[:]); err != nil {
		return "", registry.Errorf(registry.CodeInternal, registry.Fields{}, "no random bits for a session: %v", err)
	}
	_, err := r.propose(unstamped(ctx), command(&fsm.OpenSession{ID: id}, nil))
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil
}

// CloseSession implements registry.Sessions.
func (r *Registry) CloseSession(ctx context.Context, id string) error {
	binary, err := sessionID(id)
	if err != nil {
		return err
	}
	_, err = r.propose(unstamped(ctx), command(&fsm.CloseSession{ID: binary}, nil))
	return err
}

// SettleWrite implements registry.Sessions.
func (r *Registry) SettleWrite(ctx context.Context, stamp registry.SessionStamp) (registry.WriteOutcome, error) {
	result, err := r.propose(registry.WithSession(ctx, stamp), command(&fsm.SettleWrite{}, nil))
	switch {
	case result.Settled:
		return registry.WriteOutcome{}, nil
	case !result.Again:
		return registry.WriteOutcome{}, err
	}
	outcome := registry.WriteOutcome{Done: true, Revision: result.Revision}
	// A record that cannot be answered with any more is no refusal.
	if refusal := result.Refusal; refusal != nil && refusal.Definite() {
		outcome.Refusal = refusal
	}
	return outcome, nil
}

// unstamped takes a stamp off a context: opening and closing are not writes of
// a session.
func unstamped(ctx context.Context) context.Context {
	options := registry.OptionsFrom(ctx)
	options.Session = nil
	return registry.WithOptions(ctx, options)
}
