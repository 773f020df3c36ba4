package registry

// ProcessHandleDescriptor is how a grant shows its process.
type ProcessHandleDescriptor struct {
	Kind  *string `json:"kind,omitempty"`
	Label *string `json:"label,omitempty"`
}

// ProcessHandleGrant lets a session scope address a process.
type ProcessHandleGrant struct {
	SessionID  string                  `json:"session_id"`
	ProcessID  string                  `json:"process_id"`
	Descriptor ProcessHandleDescriptor `json:"descriptor"`
}

// ProcessHandleGrantEntry is a grant with the current record of its process.
// Its JSON form is the pair [grant, record].
type ProcessHandleGrantEntry struct {
	Grant  ProcessHandleGrant
	Record ProcessRecord
}

// ProcessSessionDeleteReport says what deleting a session's state did. Both
// lists are ascending and name non-terminal processes only.
type ProcessSessionDeleteReport struct {
	SessionID           string   `json:"session_id"`
	RevokedHandleCount  uint64   `json:"revoked_handle_count"`
	DeletedWakeCount    uint64   `json:"deleted_wake_count"`
	OrphanedProcessIDs  []string `json:"orphaned_process_ids"`
	PreservedProcessIDs []string `json:"preserved_process_ids"`
}
