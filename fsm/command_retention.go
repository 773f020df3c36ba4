package fsm

// PruneTerminalProcesses asks for one step of a prune.
type PruneTerminalProcesses struct {
	CutoffMs uint64
}

func (*PruneTerminalProcesses) Kind() Kind { return KindPruneTerminalProcesses }

func (*PruneTerminalProcesses) version() uint8 { return 1 }
