package check

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// checkFeeds judges every feed of changes by the writes that were acked, and by
// those that were sent: without the model.
func checkFeeds(v *view) (violations []Violation, checked, _ string) {
	feeds, changes := 0, 0
	var log *lifelog
	var writes *writes
	told := make(map[uint64][]*history.Item)
	for _, s := range v.Streams {
		if s.Process != "" {
			continue
		}
		if log == nil {
			log, writes = newLifelog(v), newWrites(v)
		}
		feeds++
		changes += len(s.Items)
		f := &feed{Stream: s, log: log, writes: writes, told: told, lives: make(map[string]*fed)}
		violations = append(violations, f.judge()...)
	}
	return violations, fmt.Sprintf("%d changes of %d feeds", changes, feeds), ""
}

// feed is a stream of changes that is being judged.
type feed struct {
	*history.Stream
	log    *lifelog
	writes *writes
	// revision is how far it has come, at are the changes of that revision.
	revision uint64
	at       []*history.Item
	// told is what all feeds have told of each revision.
	told map[uint64][]*history.Item
	// lives are those that it told of, as it told of them last.
	lives map[string]*fed
}

// fed is what a feed has told of a process.
type fed struct {
	life, sequence uint64
	pruned         bool
}

func (f *feed) fail(sentence Sentence, atNs int64, format string, args ...any) *Violation {
	v := streamed(sentence, f.Stream, atNs, format, args...)
	return &v
}

// judge goes through what came, one revision after the other. The first thing
// that is wrong says enough of a feed.
func (f *feed) judge() []Violation {
	if found := f.begins(); found != nil {
		return []Violation{*found}
	}
	for i := range f.Items {
		item := &f.Items[i]
		if item.Change == nil {
			continue
		}
		for _, judge := range []func(*history.Item) *Violation{f.follows, f.explained, f.fits, f.agrees} {
			if found := judge(item); found != nil {
				return []Violation{*found}
			}
		}
	}
	if f.Code != 0 && f.Code != registry.CodeCompacted {
		return []Violation{*f.fail(StreamEnds, f.LeftNs, "%s", f.Error)}
	}
	return f.log.caughtUp(f.Stream)
}

// begins judges the cursor that a feed begins at.
func (f *feed) begins() *Violation {
	if f.Resumes != nil {
		before := f.log.view.Streams[*f.Resumes]
		after, err := registry.ParseChangeCursor(f.Cursor)
		if last := before.Revision(); err != nil || after.Revision != last && !(after.Revision+1 == last && f.midway(before)) {
			return f.fail(StreamResumes, f.BeganNs, "stream %d had come to revision %d", before.Index, last)
		}
	}
	if len(f.Items) == 0 {
		return nil
	}
	first := f.Items[0]
	cursor, err := registry.ParseChangeCursor(first.Cursor)
	if err != nil || first.Cursor == "" {
		return f.fail(FeedIsDense, first.AtNs, "it brought changes before the cursor that it begins at")
	}
	f.revision = cursor.Revision
	if f.Cursor != "" && f.Cursor != first.Cursor {
		return f.fail(FeedIsDense, first.AtNs, "it begins at %s", first.Cursor)
	}
	if o := f.writes.latestBefore(f.BeganNs); f.Cursor == "" && o != nil && o.Info.Revision > f.revision {
		found := f.fail(WatchIsFresh, first.AtNs, "it begins at revision %d, after %s had been answered at revision %d", f.revision, describe(o), o.Info.Revision).about(o)
		return &found
	}
	return nil
}

// midway tells whether the feed before may have been let go of with some of a
// revision still to come: its cursor is before all of it then, and more of it
// comes now.
func (f *feed) midway(before *history.Stream) bool {
	last := before.Revision()
	of := func(s *history.Stream) (changes int, all bool) {
		for _, item := range s.Items {
			if item.Change != nil && item.Change.Revision == last {
				changes++
			}
			all = item.Change != nil && item.Change.Revision > last
		}
		return changes, all
	}
	had, _ := of(before)
	has, all := of(f.Stream)
	return has > had || !all && lastOfSeveral(before)
}

// lastOfSeveral tells whether a feed ends with a change of a kind of which one
// revision may have several.
func lastOfSeveral(s *history.Stream) bool {
	n := len(s.Items)
	return n > 0 && s.Items[n-1].Change != nil && several(s.Items[n-1].Change.Kind)
}

// follows judges that a change is of the next revision, or one more of this.
func (f *feed) follows(item *history.Item) *Violation {
	c := item.Change
	switch {
	case c.Revision == f.revision+1:
		if found := f.whole(item.AtNs); found != nil {
			return found
		}
		f.revision, f.at = c.Revision, []*history.Item{item}
		return nil
	case c.Revision != f.revision || len(f.at) == 0:
		return f.fail(FeedIsDense, item.AtNs, "revision %d came from %s behind revision %d", c.Revision, item.Node, f.revision)
	}
	for _, other := range f.at {
		// A process loses several grants at once when they have several frames.
		if *other.Change == *c && c.Kind != registry.ChangeGrant || other.Change.Kind != c.Kind && !withSession(c.Kind, other.Change.Kind) || !several(c.Kind) {
			return f.fail(FeedIsDense, item.AtNs, "%s %s came from %s after %s %s of the same revision %d",
				c.ProcessID, c.Kind, item.Node, other.Change.ProcessID, other.Change.Kind, c.Revision)
		}
	}
	f.at = append(f.at, item)
	return nil
}

// several tells whether one write makes several changes of a kind, withSession
// whether the end of a session makes changes of both kinds.
func several(kind registry.ChangeKind) bool {
	switch kind {
	case registry.ChangePruned, registry.ChangeGrant, registry.ChangeWakeTarget, registry.ChangeLease:
		return true
	}
	return false
}

func withSession(a, b registry.ChangeKind) bool {
	ofSession := func(kind registry.ChangeKind) bool {
		return kind == registry.ChangeGrant || kind == registry.ChangeWakeTarget
	}
	return ofSession(a) && ofSession(b)
}

// explained judges that somebody asked for a change: the write that was acked
// at its revision, or one of which nobody knows what became of it.
func (f *feed) explained(item *history.Item) *Violation {
	c := item.Change
	if o := f.writes.changed[c.Revision]; o != nil && !several(c.Kind) {
		if r := o.Answer.Record; r.ID != c.ProcessID || r.Life != c.Life {
			found := f.fail(FeedIsTrue, item.AtNs, "%s sent %s, and %s shows that %s, life %d, changed then", item.Node, jsonText(c), describe(o), r.ID, r.Life).about(o)
			return &found
		}
	}
	acked := f.writes.acked[c.Revision]
	for _, o := range acked {
		if text := contradicts(o, c); text != "" {
			found := f.fail(FeedIsTrue, item.AtNs, "%s sent %s, and %s was answered at that revision with %s", item.Node, jsonText(c), describe(o), text).about(o)
			return &found
		}
	}
	for _, o := range acked {
		if explains(o, c) {
			return nil
		}
	}
	for _, o := range f.log.view.unknown {
		if o.InvokeNs < item.AtNs && explains(o, c) {
			return nil
		}
	}
	return f.fail(FeedIsExplained, item.AtNs, "%s sent %s, which nobody can have made", item.Node, jsonText(c))
}

// fits judges that a change fits what the feed has told of its process before.
func (f *feed) fits(item *history.Item) *Violation {
	c := item.Change
	p, known := f.lives[c.ProcessID]
	if !known {
		p = &fed{life: c.Life, pruned: c.Kind == registry.ChangeRegistered}
		f.lives[c.ProcessID] = p
	}
	begins := c.Kind == registry.ChangeRegistered
	wrong := ""
	switch {
	case begins && c.Life != c.Revision:
		wrong = fmt.Sprintf("a life begins at its revision, not at %d", c.Life)
	case begins && !p.pruned:
		wrong = fmt.Sprintf("life %d goes on", p.life)
	case !begins && p.pruned:
		wrong = fmt.Sprintf("life %d was pruned", p.life)
	case !begins && (c.Life != p.life || c.Life >= c.Revision):
		wrong = fmt.Sprintf("the life is %d", p.life)
	case isEvent(c.Kind) && p.sequence != 0 && c.Sequence != p.sequence+1:
		wrong = fmt.Sprintf("event %d came before", p.sequence)
	}
	if wrong != "" {
		return f.fail(FeedIsExplained, item.AtNs, "%s sent %s: %s", item.Node, jsonText(c), wrong)
	}
	if begins {
		*p = fed{life: c.Life}
	}
	if isEvent(c.Kind) {
		p.sequence = c.Sequence
	}
	p.pruned = c.Kind == registry.ChangePruned
	return nil
}

// agrees judges that the feeds before told the same of a revision, in the same
// order: it is that of the log on every node.
func (f *feed) agrees(item *history.Item) *Violation {
	at, c := len(f.at)-1, item.Change
	told := f.told[c.Revision]
	if at >= len(told) {
		f.told[c.Revision] = append(told, item)
		return nil
	}
	if *told[at].Change != *c {
		return f.fail(FeedsAgree, item.AtNs, "%s sent %s, where %s had sent %s", item.Node, jsonText(c), told[at].Node, jsonText(told[at].Change))
	}
	return nil
}

func isEvent(kind registry.ChangeKind) bool {
	return kind == registry.ChangeAppended || kind == registry.ChangeEnded
}

// whole judges the changes of a revision of which all have come: as many as the
// write made, where that is known.
func (f *feed) whole(atNs int64) *Violation {
	for _, o := range f.writes.acked[f.revision] {
		if len(f.at) == 0 {
			return nil
		}
		want := 0
		switch call := o.Call.(type) {
		case model.PruneTerminalProcesses:
			want = int(o.Answer.Pruned.PrunedProcesses)
		case model.TransferHandleGrants:
			if call.From != call.To {
				want = len(call.ProcessIDs)
			}
		case model.GrantHandle:
			want = 1
		}
		if want != 0 && want != len(f.at) {
			found := f.fail(FeedIsTrue, atNs, "it has %d changes of revision %d, of which %s made %d", len(f.at), f.revision, describe(o), want).about(o)
			return &found
		}
	}
	return nil
}
