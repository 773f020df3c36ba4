package fsm

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// kinds repeats every number of command.go and kind.go: a changed one makes
// old logs mean something else. body is nil for the reserved ones.
var kinds = []struct {
	number  uint16
	kind    Kind
	version uint8
	body    Body
}{
	{1, KindTakeover, 1, &Takeover{}},
	{2, KindTick, 1, &Tick{}},
	{3, KindCheckpoint, 1, &Checkpoint{}},
	{4, KindRecordMember, 1, &RecordMember{}},
	{5, KindRaiseFormat, 0, nil},
	{16, KindRegisterProcess, 1, &RegisterProcess{}},
	{17, KindSetExternalRef, 1, &SetExternalRef{}},
	{18, KindCompleteProcess, 1, &CompleteProcess{}},
	{19, KindRecordFirstStarted, 1, &RecordFirstStarted{}},
	{20, KindRequestProcessAbandon, 1, &RequestProcessAbandon{}},
	{21, KindSetProcessWait, 1, &SetProcessWait{}},
	{22, KindClearProcessWait, 1, &ClearProcessWait{}},
	{32, KindAppendEvent, 1, &AppendEvent{}},
	{33, KindAckWake, 1, &AckWake{}},
	{48, KindGrantHandle, 1, &GrantHandle{}},
	{49, KindRevokeHandle, 1, &RevokeHandle{}},
	{50, KindTransferHandleGrants, 1, &TransferHandleGrants{}},
	{51, KindDeleteSessionProcessState, 1, &DeleteSessionProcessState{}},
	{64, KindClaimProcessLease, 1, &ClaimProcessLease{}},
	{65, KindReclaimProcessLease, 1, &ReclaimProcessLease{}},
	{66, KindRenewProcessLease, 1, &RenewProcessLease{}},
	{67, KindCompleteProcessLease, 1, &CompleteProcessLease{}},
	{68, KindClaimNextLease, 1, &ClaimNextLease{}},
	{69, KindReleaseForRetry, 1, &ReleaseForRetry{}},
	{80, KindPruneTerminalProcesses, 1, &PruneTerminalProcesses{}},
	{88, KindBatch, 1, &Batch{}},
	{96, KindOpenSession, 1, &OpenSession{}},
	{97, KindCloseSession, 1, &CloseSession{}},
	{98, KindSettleWrite, 1, &SettleWrite{}},
}

func TestKindNumbersNeverChange(t *testing.T) {
	byNumber := map[Kind]bool{}
	for _, k := range kinds {
		if uint16(k.kind) != k.number || byNumber[k.kind] {
			t.Errorf("kind %d is %d, or comes twice", k.number, uint16(k.kind))
		}
		byNumber[k.kind] = true
		made := bodyOf(k.kind, 1)
		if reflect.TypeOf(made) != reflect.TypeOf(k.body) {
			t.Errorf("%v has the body %T, want %T", k.kind, made, k.body)
		}
		if k.body != nil && (k.body.Kind() != k.kind || k.body.version() != k.version || made.Kind() != k.kind) {
			t.Errorf("%T says that it is %v version %d", k.body, k.body.Kind(), k.body.version())
		}
	}
	for kind := range Kind(1<<16 - 1) {
		if bodyOf(kind, 1) != nil && !byNumber[kind] {
			t.Errorf("%v has a body and is not in this table", kind)
		}
		if bodyOf(kind, 0) != nil || bodyOf(kind, 2) != nil {
			t.Errorf("%v is read in a version that does not exist", kind)
		}
	}
}

// TestEveryBodyIsApplied: a body that apply does not know would stop every node.
func TestEveryBodyIsApplied(t *testing.T) {
	for _, k := range kinds {
		if k.body == nil {
			continue
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%v: %v", k.kind, p)
				}
			}()
			newState().apply(Command{Body: k.body})
		}()
	}
}

// words lists an enum as "number=word".
func words[T ~string](e enum[T]) string {
	var out []string
	for number := range e {
		out = append(out, string(e[number]))
	}
	return strings.Join(out, ",")
}

func TestEnumNumbersNeverChange(t *testing.T) {
	for _, e := range []struct{ name, got, want string }{
		{"dispositions", words(dispositions), ",rerunnable,owner_bound,externally_owned"},
		{"fencingModes", words(fencingModes), ",optional,required"},
		{"inputKinds", words(inputKinds), ",tool_call,engine,session_turn,external"},
		{"states", words(states), ",running,completed,failed,cancelled,abandoned"},
		{"outputKinds", words(outputKinds), ",success,failure,cancelled,abandoned"},
		{"classes", words(classes), ",invalid_request,unavailable,permission_denied,timeout,execution,external,resource_limit,internal"},
		{"writers", words(writers), ",owner_drain,sweep,reconciled_request"},
		{"livenessKinds", words(livenessKinds), ",opaque,local_process"},
		{"causalKinds", words(causalKinds), ",turn,effect,tool_call,process,process_event,trigger_occurrence,session_node"},
		{"selectorKinds", words(selectorKinds), ",payload,pointer,const,template,present"},
		{"dedupeKinds", words(dedupeKinds), ",event_identity,selector,const"},
		{"verdicts", words(verdicts), ",unknown,dead"},
		{"waitKinds", words(waitKinds), ",signal"},
	} {
		if e.got != e.want {
			t.Errorf("%s: %s\nwant %s", e.name, e.got, e.want)
		}
	}
	if dispositions.number("") != 0 || dispositions.number("owner bound") != 0 {
		t.Error("a word that is not of the contract has a number")
	}
	for _, number := range []uint8{0, 4, 255} {
		if _, err := dispositions.word(number); err == nil {
			t.Errorf("the number %d has a word", number)
		}
	}
}

// TestCoreTypeNumbersNeverChange: rows name the core types by their place.
func TestCoreTypeNumbersNeverChange(t *testing.T) {
	var names []string
	for _, core := range registry.CoreEventTypes() {
		names = append(names, core.Name)
	}
	want := "process.cancel_requested process.waiting process.resumed process.completed process.failed process.cancelled process.abandoned"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestFormatNumbersNeverChange(t *testing.T) {
	for name, pair := range map[string][2]any{
		"entry format":        {entryFormat, 1},
		"entry header":        {entryHeaderBytes, 25},
		"flags":               {[]int{flagSession, flagLife, flagFence, knownFlags}, []int{1, 2, 4, 7}},
		"snapshot magic":      {snapshotMagic, "HFSNAP"},
		"snapshot version":    {snapshotVersion, 1},
		"snapshot frames":     {append(slices.Clone(frames), frameEnd), []byte{1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 255}},
		"page token format":   {pageTokenFormat, 1},
		"page token lists":    {[]byte{listProcesses, listEvents, listRecentEvents, listWakeEvents, listHandleGrants, listLiveHandleGrants, listProcessGrants}, []byte{1, 2, 3, 4, 5, 6, 7}},
		"lease advance in ms": {maxLeaseAdvanceMs, 2000},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, was %v", name, pair[0], pair[1])
		}
	}
}
