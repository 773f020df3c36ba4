package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// catchUpBound is how long a stream may take to bring what there is once nothing
// is wrong any more. Its client takes up to 15 s to give up a connection on which
// nothing comes.
const catchUpBound = 20 * time.Second

// streamed makes a violation about a stream.
func streamed(sentence Sentence, s *history.Stream, atNs int64, format string, args ...any) Violation {
	v := violated(sentence, "%s: %s", s.Describe(), fmt.Sprintf(format, args...))
	v.AtNs = atNs
	return v
}

// checkWatches judges every stream of events by what answers tell of the log of
// its life: without the model, which is held against the same answers.
func checkWatches(v *view) (violations []Violation, checked, _ string) {
	if len(v.Streams) == 0 {
		return nil, "no streams", ""
	}
	for _, c := range v.Complaints {
		found := violated(NodesFollow, "%s says of %s: %s", c.Client, c.Node, c.Text)
		found.AtNs = c.AtNs
		violations = append(violations, found)
	}
	log, writes := newLifelog(v), newWrites(v)
	watches, events, nodes := 0, 0, make(map[string]bool)
	for _, s := range v.Streams {
		if s.Process == "" {
			continue
		}
		watches++
		events += len(s.Items)
		for _, item := range s.Items {
			nodes[item.Node] = true
		}
		w := &watch{Stream: s, log: log, writes: writes, life: s.Life, last: s.Sequence}
		violations = append(violations, w.judge()...)
	}
	return violations, fmt.Sprintf("%d events of %d watches through %d nodes", events, watches, len(nodes)), ""
}

// watch is a stream of events that is being judged.
type watch struct {
	*history.Stream
	log    *lifelog
	writes *writes
	// life and last are how far it has come.
	life, last uint64
}

// judge goes through what came. The first thing that is wrong says enough of a
// stream: what follows is wrong with it.
func (w *watch) judge() []Violation {
	if found := w.resumes(); found != nil {
		return []Violation{*found}
	}
	for i := range w.Items {
		item := &w.Items[i]
		for _, judge := range []func(*history.Item) *Violation{w.begins, w.follows, w.written, w.isLog, w.isTold} {
			if found := judge(item); found != nil {
				return []Violation{*found}
			}
		}
		w.life, w.last = item.Life, item.Event.Sequence
	}
	if found := w.ended(); found != nil {
		return []Violation{*found}
	}
	return w.log.caughtUp(w.Stream)
}

// resumes judges the cursor that the stream before was let go of at.
func (w *watch) resumes() *Violation {
	if w.Resumes == nil {
		return nil
	}
	before := w.log.view.Streams[*w.Resumes]
	life, last := before.Life, before.Sequence
	if n := len(before.Items); n > 0 {
		life, last = before.Items[n-1].Life, before.Items[n-1].Event.Sequence
	}
	// The life is told before the first event.
	if w.Sequence == last && (w.Life == life || life == 0) {
		return nil
	}
	found := streamed(StreamResumes, w.Stream, w.BeganNs, "stream %d had brought event %d of life %d", before.Index, last, life)
	return &found
}

// begins judges which life a watch is of that did not say.
func (w *watch) begins(item *history.Item) *Violation {
	if w.life != 0 {
		return nil
	}
	for _, began := range w.log.lives[w.Process] {
		if s := w.log.shown[life{w.Process, began}]; began > item.Life && s.first != nil && s.first.ReturnNs < w.BeganNs {
			found := streamed(WatchIsFresh, w.Stream, item.AtNs, "it is of life %d, after life %d was shown by %s",
				item.Life, began, describe(s.first)).about(s.first)
			return &found
		}
	}
	return nil
}

// follows judges that an event is the next one.
func (w *watch) follows(item *history.Item) *Violation {
	e := item.Event
	var text string
	switch {
	case e.ProcessID != w.Process:
		text = fmt.Sprintf("an event of %s came", e.ProcessID)
	case w.life != 0 && item.Life != w.life:
		text = fmt.Sprintf("event %d of life %d came after life %d", e.Sequence, item.Life, w.life)
	case e.Sequence <= w.last:
		text = fmt.Sprintf("event %d came behind event %d", e.Sequence, w.last)
	case w.EndOnly && e.Semantics.Terminal == nil:
		text = fmt.Sprintf("event %d came, which ended nothing", e.Sequence)
	case !w.EndOnly && e.Sequence != w.last+1:
		text = fmt.Sprintf("event %d came behind event %d", e.Sequence, w.last)
	default:
		return nil
	}
	found := streamed(WatchIsDense, w.Stream, item.AtNs, "%s from %s", text, item.Node)
	return &found
}

// written judges that somebody wrote an event before it came, in a life that
// somebody began.
func (w *watch) written(item *history.Item) *Violation {
	e, text := item.Event, ""
	switch {
	case len(w.log.sent(e, item.AtNs)) == 0:
		text = fmt.Sprintf("nobody had sent event %d, %s %s", e.Sequence, e.EventType, e.Payload)
	case !w.log.registered(life{w.Process, item.Life}, item.AtNs):
		text = fmt.Sprintf("nobody began life %d", item.Life)
	default:
		return nil
	}
	found := streamed(WatchIsCommitted, w.Stream, item.AtNs, "%s, which came from %s", text, item.Node)
	return &found
}

// isLog judges that an event is that of the log. Where no answer shows it, the
// first stream that brought it is what the others are held against.
func (w *watch) isLog(item *history.Item) *Violation {
	e, at := item.Event, spot{life{w.Process, item.Life}, item.Event.Sequence}
	if end, known := w.log.final(w.Process); known && end.Life == item.Life && e.Sequence > uint64(len(end.Log)) {
		found := streamed(WatchIsCommitted, w.Stream, item.AtNs, "%s sent event %d, %s, and the log ends at %d",
			item.Node, e.Sequence, e.Payload, len(end.Log)).about(end.Read)
		return &found
	}
	text := jsonText(e)
	log, known := w.log.events[at]
	switch {
	case !known:
		w.log.events[at] = evidenced{text: text, by: fmt.Sprint("stream ", w.Index)}
	case log.text != text:
		found := streamed(WatchIsLog, w.Stream, item.AtNs, "%s sent event %d of life %d as %s\n%s shows %s", item.Node, e.Sequence, item.Life, text, log.by, log.text)
		if log.op != nil {
			found = found.about(log.op)
		}
		return &found
	}
	return nil
}

// isTold judges that an event is what a feed told of: it ends its process or does
// not, and was written by the write that was acked at its revision.
func (w *watch) isTold(item *history.Item) *Violation {
	e := item.Event
	c := w.log.told[spot{life{w.Process, item.Life}, e.Sequence}]
	if c == nil {
		return nil
	}
	if (c.Kind == registry.ChangeEnded) != (e.Semantics.Terminal != nil) {
		found := streamed(WatchIsLog, w.Stream, item.AtNs, "%s sent event %d of life %d as %s, a feed tells of it as %s", item.Node, e.Sequence, item.Life, e.EventType, c.Kind)
		return &found
	}
	sent := w.log.sent(e, item.AtNs)
	for _, o := range w.writes.acked[c.Revision] {
		if o.Answer.Event != nil && o.Answer.Event.ReplayKey == "" && !slices.Contains(sent, o) {
			found := streamed(WatchIsLog, w.Stream, item.AtNs, "%s sent event %d of life %d, %s, which a feed tells of at revision %d, where %s was acked",
				item.Node, e.Sequence, item.Life, e.Payload, c.Revision, describe(o)).about(o)
			return &found
		}
	}
	return nil
}

// ended judges why the cluster ended a watch.
func (w *watch) ended() *Violation {
	fail := func(sentence Sentence, format string, args ...any) *Violation {
		found := streamed(sentence, w.Stream, w.LeftNs, format, args...)
		return &found
	}
	switch w.Code {
	case 0:
	case registry.CodeLifeEnded:
		return w.lifeEnded(fail)
	case registry.CodeNotFound:
		return w.notFound(fail)
	default:
		return fail(StreamEnds, "%s", w.Error)
	}
	return nil
}

// lifeEnded judges that the life of a watch is over.
func (w *watch) lifeEnded(fail func(Sentence, string, ...any) *Violation) *Violation {
	if !w.log.mayEnd(w.Process, w.LeftNs) {
		return fail(StreamEnds, "nobody can have pruned %s before", w.Process)
	}
	if w.life == 0 {
		return nil // it was told which, but not to the harness
	}
	if s := w.log.shown[life{w.Process, w.life}]; s != nil && s.last != nil && s.last.InvokeNs > w.LeftNs {
		return fail(StreamEnds, "%s, which was called later, shows life %d", describe(s.last), w.life)
	}
	return nil
}

// notFound judges that there was no process at some moment of a watch.
func (w *watch) notFound(fail func(Sentence, string, ...any) *Violation) *Violation {
	if w.life != 0 {
		return fail(StreamEnds, "life %d was known", w.life)
	}
	for _, began := range w.log.lives[w.Process] {
		s := w.log.shown[life{w.Process, began}]
		if s.first == nil || s.first.ReturnNs > w.BeganNs {
			continue
		}
		if s.last.InvokeNs > w.LeftNs {
			return fail(WatchIsFresh, "%s shows life %d before, and %s later", describe(s.first), began, describe(s.last))
		}
		if !w.log.view.prunedBetween(w.Process, s.first, &history.Op{ReturnNs: w.LeftNs}) {
			return fail(WatchIsFresh, "%s shows life %d, and nobody can have pruned it", describe(s.first), began)
		}
	}
	return nil
}

// caughtUp judges that a stream which stood for long enough when nothing was
// written any more has brought everything, in time.
func (l *lifelog) caughtUp(s *history.Stream) []Violation {
	bound := max(l.quietNs, s.BeganNs) + catchUpBound.Nanoseconds()
	if _, known := l.final(s.Process); s.Code != 0 || !known && s.Process != "" || !l.view.options.Complete {
		return nil
	}
	if behind := l.ends.Behind(s); behind != "" && s.LeftNs > bound {
		return []Violation{streamed(StreamsCatchUp, s, s.LeftNs, "%s", behind)}
	}
	if n := len(s.Items); n > 0 && s.Items[n-1].AtNs > bound {
		return []Violation{streamed(StreamsCatchUp, s, s.Items[n-1].AtNs, "its last item came %v after the last write and the last fault",
			time.Duration(s.Items[n-1].AtNs-l.quietNs).Round(time.Millisecond))}
	}
	return nil
}
