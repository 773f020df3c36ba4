package history

import (
	"errors"
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// Stream is what one client followed from one cursor on: the events of a
// process, or the changes of all. A client that let go and goes on from its
// cursor follows another stream.
type Stream struct {
	Index  int
	Client string
	Follow
	BeganNs int64
	// Items are what came, in the order in which the client got it.
	Items []Item
	// LeftNs is when it was over, Pending while it goes on. Code is why the
	// cluster ended it, 0 where the client let go.
	LeftNs int64
	Code   registry.Code
	Error  string
}

// Follow is what a stream was asked for: the events of a process behind a
// sequence of a life, or, without a process, the changes of all behind a cursor.
type Follow struct {
	Process  string `json:"process,omitempty"`
	Life     uint64 `json:"life,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	// EndOnly leaves out all events but the one that ended the process.
	EndOnly bool `json:"end_only,omitempty"`
	// Cursor is a cursor of changes as a word; empty is the present.
	Cursor string `json:"cursor,omitempty"`
	// Resumes is the stream at whose end this one goes on.
	Resumes *int `json:"resumes,omitempty"`
}

// Watch is the watch of events that was asked for.
func (f Follow) Watch() registry.EventWatch {
	return registry.EventWatch{ProcessID: f.Process, After: registry.EventCursor{Life: f.Life, Sequence: f.Sequence}, EndOnly: f.EndOnly}
}

// Item is one thing that a stream brought: an event with its life, a change, or
// the cursor at which a feed begins.
type Item struct {
	AtNs int64 `json:"-"`
	// Node is the node that said something last when the client got the item.
	Node   string                  `json:"node,omitempty"`
	Life   uint64                  `json:"life,omitempty"`
	Event  *registry.ProcessEvent  `json:"event,omitempty"`
	Change *registry.ProcessChange `json:"change,omitempty"`
	Cursor string                  `json:"cursor,omitempty"`
}

// Complaint is what a client says of a stream whose node broke its promises, or
// failed. The client opens it again, so what it brings does not show that.
type Complaint struct {
	AtNs   int64  `json:"-"`
	Client string `json:"-"`
	Node   string `json:"node"`
	Text   string `json:"text"`
}

// Complain notes a complaint.
func (r *Recorder) Complain(client, node string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Complaint{AtNs: r.NowNs(), Client: client, Node: node, Text: why.Error()}
	r.history.Complaints = append(r.history.Complaints, c)
	r.write(line{Type: typeComplaint, AtNs: c.AtNs, Client: client, Complaint: &c}, nil)
}

// Over tells whether the stream has ended, by whomever.
func (s *Stream) Over() bool { return s.LeftNs != Pending }

// Follow begins a stream.
func (r *Recorder) Follow(client string, asked Follow) *Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Stream{Index: len(r.history.Streams), Client: client, Follow: asked, BeganNs: r.NowNs(), LeftNs: Pending}
	r.history.Streams = append(r.history.Streams, s)
	r.write(line{Type: typeFollow, AtNs: s.BeganNs, Stream: &s.Index, Client: client, Follow: &s.Follow}, nil)
	return s
}

// Item notes what a stream brought; its time is set.
func (r *Recorder) Item(s *Stream, item Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item.AtNs = r.NowNs()
	s.Items = append(s.Items, item)
	r.write(line{Type: typeItem, AtNs: item.AtNs, Stream: &s.Index, Item: &item}, nil)
}

// Leave ends a stream: by an error of the cluster, or without one.
func (r *Recorder) Leave(s *Stream, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.LeftNs = r.NowNs()
	if failure != nil {
		s.Code, s.Error = registry.CodeOf(failure), failure.Error()
	}
	r.write(line{Type: typeLeave, AtNs: s.LeftNs, Stream: &s.Index, Code: s.Code, Error: s.Error}, nil)
}

// addToStream reads a line about a stream.
func (h *History) addToStream(l *line) error {
	if l.Type == typeFollow {
		if l.Stream == nil || *l.Stream != len(h.Streams) || l.Follow == nil {
			return errors.New("streams are not numbered 0, 1, 2 and so on")
		}
		h.Streams = append(h.Streams, &Stream{Index: *l.Stream, Client: l.Client, Follow: *l.Follow, BeganNs: l.AtNs, LeftNs: Pending})
		return nil
	}
	if l.Type == typeComplaint {
		if l.Complaint == nil {
			return errors.New("a complaint without a complaint")
		}
		l.Complaint.AtNs, l.Complaint.Client = l.AtNs, l.Client
		h.Complaints = append(h.Complaints, *l.Complaint)
		return nil
	}
	if l.Stream == nil || *l.Stream < 0 || *l.Stream >= len(h.Streams) {
		return errors.New("a stream that was never begun")
	}
	s := h.Streams[*l.Stream]
	switch {
	case l.Type == typeLeave:
		s.LeftNs, s.Code, s.Error = l.AtNs, l.Code, l.Error
	case l.Item == nil:
		return errors.New("an item without an item")
	default:
		l.Item.AtNs = l.AtNs
		s.Items = append(s.Items, *l.Item)
	}
	return nil
}

// Describe is a stream in one line: what was asked for, and what came of it.
func (s *Stream) Describe() string {
	text := fmt.Sprintf("stream %d of %s, ", s.Index, s.Client)
	switch {
	case s.Process == "" && s.Cursor == "":
		text += "changes from the present on"
	case s.Process == "":
		text += "changes behind " + s.Cursor
	default:
		text += fmt.Sprintf("events of %s behind %d of life %d", s.Process, s.Sequence, s.Life)
	}
	if text += fmt.Sprintf(": %d items", len(s.Items)); s.Code != 0 {
		text += ", ended with " + s.Code.String()
	}
	return text
}
