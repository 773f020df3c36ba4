package fsm

import (
	"errors"
	"fmt"
)

func (l *stateLoader) loadSession(payload []byte) error {
	if err := errors.Join(l.finishRow(), l.finishSession()); err != nil {
		return err
	}
	var stored storedSession
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if last, _, ok := l.state.sessions.rows.Max(); ok && string(stored.ID[:]) <= last {
		return fmt.Errorf("session %x comes twice or out of order", stored.ID)
	}
	l.session = &session{id: stored.ID, floor: stored.Floor, endMs: stored.EndMs}
	l.missingAnswers = stored.AnswerCount
	return nil
}

func (l *stateLoader) loadAnswer(payload []byte) error {
	row := l.session
	if row == nil || l.missingAnswers == 0 {
		return errors.New("an answer that belongs to no session")
	}
	var stored storedKeptAnswer
	if err := decodeMsgpack(payload, &stored); err != nil {
		return err
	}
	if n := len(row.answers); stored.Sequence < row.floor || n > 0 && stored.Sequence <= row.answers[n-1].sequence {
		return fmt.Errorf("the answer to sequence %d of session %x is out of order", stored.Sequence, row.id)
	}
	if _, _, err := decodeAnswer(stored.Answer); err != nil {
		return fmt.Errorf("the answer to sequence %d of session %x: %w", stored.Sequence, row.id, err)
	}
	row.answers = append(row.answers, keptAnswer{stored.Sequence, stored.Answer})
	row.bytes += uint64(len(stored.Answer))
	l.missingAnswers--
	return nil
}

// finishSession puts a session into the state once all its answers were read.
func (l *stateLoader) finishSession() error {
	row := l.session
	if row == nil {
		return nil
	}
	if l.missingAnswers > 0 {
		return fmt.Errorf("session %x lacks %d answers", row.id, l.missingAnswers)
	}
	l.state.sessions.put(row)
	l.session = nil
	return nil
}
