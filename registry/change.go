package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// ChangeKind says what a change did to a process. The numbers travel and are
// never reused; zero is invalid.
type ChangeKind uint8

// The kinds of change. A kind that this version does not know is to be taken
// for any change: read the process again.
const (
	// ChangeRegistered begins a life of the process.
	ChangeRegistered ChangeKind = 1
	// ChangeAppended is an event that ended nothing; the change has its sequence.
	ChangeAppended ChangeKind = 2
	// ChangeEnded is the event that ended the process; the change has its
	// sequence.
	ChangeEnded ChangeKind = 3
	// ChangeStarted is the first start.
	ChangeStarted ChangeKind = 4
	// ChangeExternalRef is the external ref.
	ChangeExternalRef ChangeKind = 5
	// ChangeAbandonRequested is the first abandon request.
	ChangeAbandonRequested ChangeKind = 6
	// ChangeWait is a wait that was set or cleared.
	ChangeWait ChangeKind = 7
	// ChangeLease is a lease that was granted or released. Nothing tells of one
	// that expires: that is no change, but the passing of time.
	ChangeLease ChangeKind = 8
	// ChangeLeaseExtended is a lease that ends at another time.
	ChangeLeaseExtended ChangeKind = 9
	// ChangeGrant is a grant of the process that was made, moved or revoked.
	ChangeGrant ChangeKind = 10
	// ChangeAck is a wake that was acked.
	ChangeAck ChangeKind = 11
	// ChangeWakeTarget is a wake target that was taken away with its session.
	ChangeWakeTarget ChangeKind = 12
	// ChangePruned ends a life of the process: its row, events, acks, grants
	// and lease are gone.
	ChangePruned ChangeKind = 13
)

// changeWords are the kinds by number.
var changeWords = [...]string{
	ChangeRegistered: "registered", ChangeAppended: "appended", ChangeEnded: "ended", ChangeStarted: "started",
	ChangeExternalRef: "external_ref", ChangeAbandonRequested: "abandon_requested", ChangeWait: "wait",
	ChangeLease: "lease", ChangeLeaseExtended: "lease_extended", ChangeGrant: "grant", ChangeAck: "ack",
	ChangeWakeTarget: "wake_target", ChangePruned: "pruned",
}

// ChangeKinds returns all kinds that this version knows, in the order of their
// numbers.
func ChangeKinds() []ChangeKind {
	kinds := make([]ChangeKind, 0, len(changeWords)-1)
	for kind := 1; kind < len(changeWords); kind++ {
		kinds = append(kinds, ChangeKind(kind))
	}
	return kinds
}

// String returns the word of a kind.
func (k ChangeKind) String() string {
	if k >= 1 && int(k) < len(changeWords) {
		return changeWords[k]
	}
	return unknownKind + strconv.Itoa(int(k))
}

// unknownKind begins the word of a kind that this version does not know.
const unknownKind = "kind_"

// MarshalText makes the word the kind's JSON form.
func (k ChangeKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote, also of a later version.
func (k *ChangeKind) UnmarshalText(text []byte) error {
	for number, word := range changeWords {
		if number > 0 && word == string(text) {
			*k = ChangeKind(number)
			return nil
		}
	}
	number, err := strconv.ParseUint(strings.TrimPrefix(string(text), unknownKind), 10, 8)
	if err != nil || number == 0 {
		return fmt.Errorf("%q is no kind of change", text)
	}
	*k = ChangeKind(number)
	return nil
}

// ProcessChange tells that something about a process changed, not to what: read
// the process for that. A change may be followed by others before it is heard
// of.
type ProcessChange struct {
	// Revision is the state's just after the change. All changes of one revision
	// happened at once.
	Revision  uint64 `json:"revision"`
	ProcessID string `json:"process_id"`
	// Life is the life of the process that changed.
	Life uint64     `json:"life"`
	Kind ChangeKind `json:"kind"`
	// Sequence is that of the new event, 0 where there is none.
	Sequence uint64 `json:"sequence,omitempty"`
}

// EventCursor is a place in the log of a process: behind the event of this
// sequence, in this life. Life 0 is the life that the process has when the
// cursor is used first. The zero cursor is the beginning of the log.
type EventCursor struct {
	Life     uint64
	Sequence uint64
}

// ChangeCursor is a place in the history of a cluster: behind all changes up to
// a revision. It is good on every node. The zero cursor is the present: nothing
// that is older than its first use lies behind it.
type ChangeCursor struct {
	// ClusterID and RestoreEpoch tell which history the revision is of. Restoring
	// a backup begins another one.
	ClusterID    string
	RestoreEpoch uint64
	Revision     uint64
}

// String is the cursor as a word, which ParseChangeCursor reads.
func (c ChangeCursor) String() string {
	return fmt.Sprintf("%s.%d.%d", c.ClusterID, c.RestoreEpoch, c.Revision)
}

// ParseChangeCursor reads what String wrote; the empty text is the zero cursor.
// Errors: InvalidArgument.
func ParseChangeCursor(text string) (ChangeCursor, error) {
	if text == "" {
		return ChangeCursor{}, nil
	}
	invalid := Errorf(CodeInvalidArgument, Fields{Field: "cursor"}, "%q is not a cursor of changes: take the one that came with a change", text)
	rest, revision, ok := cutLast(text)
	if !ok {
		return ChangeCursor{}, invalid
	}
	clusterID, epoch, ok := cutLast(rest)
	if !ok || ValidateID("cursor.cluster_id", clusterID) != nil {
		return ChangeCursor{}, invalid
	}
	c := ChangeCursor{ClusterID: clusterID}
	var err error
	if c.RestoreEpoch, err = strconv.ParseUint(epoch, 10, 64); err != nil {
		return ChangeCursor{}, invalid
	}
	if c.Revision, err = strconv.ParseUint(revision, 10, 64); err != nil {
		return ChangeCursor{}, invalid
	}
	return c, nil
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}
