package check

import (
	"slices"
	"testing"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// feedOf picks a feed that brought so many changes before one that a function
// picks, with others behind it, and returns where that is.
func feedOf(h *history.History, before int, pick func(c, next *registry.ProcessChange) bool) (s *history.Stream, at int) {
	s = pickStream(h, func(s *history.Stream) bool {
		for i := before + 1; s.Process == "" && i < len(s.Items)-1; i++ {
			if pick(s.Items[i].Change, s.Items[i+1].Change) {
				at = i
				return true
			}
		}
		return false
	})
	return s, at
}

// alone picks a change that is all that its revision did.
func alone(c, next *registry.ProcessChange) bool {
	return !several(c.Kind) && next.Revision != c.Revision
}

// changeChange replaces a change of a feed by another one.
func changeChange(s *history.Stream, i int, change func(c *registry.ProcessChange)) bool {
	if s == nil {
		return false
	}
	c := *s.Items[i].Change
	change(&c)
	s.Items[i].Change = &c
	return true
}

// brokenFeeds are histories with one thing wrong in a feed of changes.
var brokenFeeds = []struct {
	name  string
	spoil func(h *history.History) bool
	want  Sentence
}{
	{"a change is left out", func(h *history.History) bool {
		s, at := feedOf(h, 1, alone)
		if s == nil {
			return false
		}
		s.Items = slices.Delete(s.Items, at, at+1)
		return true
	}, FeedIsDense},
	{"the first change is left out", func(h *history.History) bool {
		s, at := feedOf(h, 0, alone)
		if s == nil || at != 1 {
			return false
		}
		s.Items = slices.Delete(s.Items, at, at+1)
		return true
	}, FeedIsDense},
	{"a change comes twice", func(h *history.History) bool {
		s, at := feedOf(h, 1, alone)
		if s == nil {
			return false
		}
		s.Items = slices.Insert(s.Items, at, s.Items[at])
		return true
	}, FeedIsDense},
	{"two changes change places", func(h *history.History) bool {
		s, at := feedOf(h, 1, alone)
		if s == nil {
			return false
		}
		s.Items[at], s.Items[at+1] = s.Items[at+1], s.Items[at]
		return true
	}, FeedIsDense},
	{"a change comes without a beginning", func(h *history.History) bool {
		s, _ := feedOf(h, 0, alone)
		if s == nil {
			return false
		}
		s.Items = s.Items[1:]
		return true
	}, FeedIsDense},
	{"a feed begins elsewhere than it was asked to", func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool { return s.Process == "" && s.Cursor != "" })
		if s == nil {
			return false
		}
		s.Items[0].Cursor = registry.ChangeCursor{ClusterID: "c", Revision: s.Revision() + 1}.String()
		return true
	}, FeedIsDense},
	{"an event comes with another sequence", func(h *history.History) bool {
		s, at := feedOf(h, 0, ackedAppend(h))
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Sequence++ })
	}, FeedIsTrue},
	{"an event comes as another kind of change", func(h *history.History) bool {
		s, at := feedOf(h, 0, ackedAppend(h))
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Kind, c.Sequence = registry.ChangeWait, 0 })
	}, FeedIsTrue},
	{"a change comes for another process", func(h *history.History) bool {
		s, at := feedOf(h, 0, ackedAppend(h))
		return changeChange(s, at, func(c *registry.ProcessChange) { c.ProcessID += "0" })
	}, FeedIsTrue},
	{"a lease that was granted comes as a wait", func(h *history.History) bool {
		writes := newWrites(newView(h, whole))
		s, at := feedOf(h, 0, func(c, _ *registry.ProcessChange) bool {
			return slices.ContainsFunc(writes.acked[c.Revision], func(o *history.Op) bool { return grants(o) != nil })
		})
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Kind = registry.ChangeWait })
	}, FeedIsTrue},
	{"a record changed in another life", func(h *history.History) bool {
		writes := newWrites(newView(h, whole))
		s, at := feedOf(h, 0, func(c, _ *registry.ProcessChange) bool { return writes.changed[c.Revision] != nil && !several(c.Kind) })
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Life++ })
	}, FeedIsTrue},
	{"a feed tells another thing than the others", func(h *history.History) bool {
		log := newLifelog(newView(h, whole))
		s, at := feedOf(h, 0, func(c, _ *registry.ProcessChange) bool {
			others := 0
			for _, f := range h.Streams {
				if f.Process == "" && slices.ContainsFunc(f.Items, func(i history.Item) bool { return i.Change != nil && *i.Change == *c }) {
					others++
				}
			}
			return others > 1 && log.told[spot{life{c.ProcessID, c.Life}, c.Sequence}] != nil
		})
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Sequence++ })
	}, FeedsAgree},
	{"one of several pruned processes is left out", func(h *history.History) bool {
		writes := newWrites(newView(h, whole))
		s, at := feedOf(h, 0, func(c, next *registry.ProcessChange) bool {
			return c.Kind == registry.ChangePruned && next.Revision == c.Revision && writes.acked[c.Revision] != nil
		})
		if s == nil || s.Revision() == s.Items[at].Change.Revision {
			return false
		}
		s.Items = slices.Delete(s.Items, at, at+1)
		return true
	}, FeedIsTrue},
	{"a change comes that nobody asked for", func(h *history.History) bool {
		writes := newWrites(newView(h, whole))
		s, at := feedOf(h, 0, func(c, _ *registry.ProcessChange) bool {
			return c.Kind == registry.ChangeLease && writes.acked[c.Revision] != nil && grants(writes.acked[c.Revision][0]) == nil
		})
		return changeChange(s, at, func(c *registry.ProcessChange) { c.Kind = registry.ChangeExternalRef })
	}, FeedIsExplained},
	{"a change comes before anybody asked for it", func(h *history.History) bool {
		s, _ := feedOf(h, 0, alone)
		if s == nil {
			return false
		}
		for _, o := range h.Ops {
			o.Outcome = history.Unknown
			o.InvokeNs += 1e15
		}
		return true
	}, FeedIsExplained},
	{"a life begins within another", func(h *history.History) bool {
		has := func(s *history.Stream, pick func(c *registry.ProcessChange) bool) bool {
			return slices.ContainsFunc(s.Items, func(i history.Item) bool { return i.Change != nil && pick(i.Change) })
		}
		at := 0
		s := pickStream(h, func(s *history.Stream) bool {
			at = slices.IndexFunc(s.Items, func(i history.Item) bool {
				return i.Change != nil && i.Change.Kind == registry.ChangePruned &&
					has(s, func(c *registry.ProcessChange) bool {
						return c.ProcessID == i.Change.ProcessID && c.Revision < i.Change.Revision
					}) &&
					has(s, func(c *registry.ProcessChange) bool {
						return c.ProcessID == i.Change.ProcessID && c.Kind == registry.ChangeRegistered && c.Revision > i.Change.Revision
					})
			})
			return at >= 0
		})
		return changeChange(s, at, func(c *registry.ProcessChange) { c.ProcessID += "0" })
	}, FeedIsExplained},
	{"a feed begins before what was answered", func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool { return s.Process == "" && s.Cursor == "" && s.Revision() > 0 })
		if s == nil {
			return false
		}
		s.Items = []history.Item{s.Items[0]}
		s.Items[0].Cursor = registry.ChangeCursor{ClusterID: "c"}.String()
		s.BeganNs = h.Ops[len(h.Ops)-1].ReturnNs
		return true
	}, WatchIsFresh},
	{"a feed goes on one revision too late", func(h *history.History) bool { return feedResumedAt(h, 1) }, StreamResumes},
	{"a feed goes on one revision too early", func(h *history.History) bool { return feedResumedAt(h, -1) }, StreamResumes},
	{"a feed ends with another error", func(h *history.History) bool {
		s, _ := feedOf(h, 0, alone)
		if s == nil {
			return false
		}
		s.Code, s.Error = registry.CodeInternal, "broken"
		return true
	}, StreamEnds},
	{"a feed does not bring the last change", func(h *history.History) bool {
		s := pickStream(h, func(s *history.Stream) bool {
			return s.Process == "" && len(s.Items) > 1 && s.LeftNs > h.Ops[len(h.Ops)-1].ReturnNs
		})
		if s == nil || several(s.Items[len(s.Items)-1].Change.Kind) {
			return false
		}
		s.Items = s.Items[:len(s.Items)-1]
		return true
	}, StreamsCatchUp},
}

// ackedAppend picks a change that an acked append without a replay key made.
func ackedAppend(h *history.History) func(c, _ *registry.ProcessChange) bool {
	writes := newWrites(newView(h, whole))
	return func(c, _ *registry.ProcessChange) bool {
		return slices.ContainsFunc(writes.acked[c.Revision], func(o *history.Op) bool {
			call, appends := o.Call.(model.AppendEvent)
			return appends && call.Request.Replay == nil
		})
	}
}

// feedResumedAt has a feed go on at another revision than the one before had
// come to.
func feedResumedAt(h *history.History, off int) bool {
	s := pickStream(h, func(s *history.Stream) bool {
		return s.Process == "" && s.Resumes != nil && h.Streams[*s.Resumes].Revision() > 1 && !lastOfSeveral(h.Streams[*s.Resumes])
	})
	if s == nil {
		return false
	}
	s.Cursor = registry.ChangeCursor{ClusterID: "c", Revision: uint64(int(h.Streams[*s.Resumes].Revision()) + off)}.String()
	s.Items[0].Cursor = s.Cursor
	return true
}

func TestEveryKindOfBrokenFeedIsFound(t *testing.T) {
	for _, test := range brokenFeeds {
		t.Run(test.name, func(t *testing.T) { findsBroken(t, test.spoil, test.want) })
	}
}
