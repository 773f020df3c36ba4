package cluster

import "sync"

// markDistance is for how many entries one mark stands.
const markDistance = 64

// logSizes remembers how many bytes the latest entries of the log hold, so that
// what stays behind a snapshot can be bounded by bytes: an entry is anything
// from a hundred bytes to more than 512 KiB. It knows the entries that were
// appended since the node started.
type logSizes struct {
	mu sync.Mutex
	// total counts the bytes of all entries so far.
	total uint64
	last  uint64
	marks []sizeMark
	// most is how many entries are of interest.
	most uint64
}

// sizeMark says what the total was before an entry.
type sizeMark struct {
	index, before uint64
}

// add notes an entry. An index that was there before replaces its successors;
// the mark that it falls under goes too, as nobody knows how large its part is.
func (s *logSizes) add(index, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for index <= s.last && len(s.marks) > 0 && s.marks[len(s.marks)-1].index+markDistance > index {
		s.total = s.marks[len(s.marks)-1].before
		s.marks = s.marks[:len(s.marks)-1]
	}
	if len(s.marks) == 0 || index >= s.marks[len(s.marks)-1].index+markDistance {
		s.marks = append(s.marks, sizeMark{index, s.total})
	}
	s.total += bytes
	s.last = index
	// Cut in halves, so that it is seldom copied.
	if old := len(s.marks) / 2; old > 0 && s.marks[old].index+s.most < index {
		s.marks = append(s.marks[:0], s.marks[old:]...)
	}
}

// within returns how many of the last entries hold at most so many bytes. known
// is false when all that were appended since the start do.
func (s *logSizes) within(bytes uint64) (entries uint64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, mark := range s.marks {
		if s.total-mark.before <= bytes {
			return s.last - mark.index + 1, i > 0
		}
	}
	return 0, len(s.marks) > 0
}

// trailing is how many entries are to stay behind a snapshot.
func (n *Node) trailing() uint64 {
	most := n.config.TrailingLogs
	entries, known := n.log.sizes.within(n.config.Limits.TrailingBytes)
	if !known {
		return most
	}
	// A mark stands for many entries: at least so many stay.
	return min(most, max(entries, markDistance))
}

// adjustTrailing tells raft, which only counts entries, how many may stay.
func (n *Node) adjustTrailing() {
	config := n.raft.ReloadableConfig()
	trailing := n.trailing()
	if config.TrailingLogs == trailing {
		return
	}
	config.TrailingLogs = trailing
	if err := n.raft.ReloadConfig(config); err != nil {
		n.logger.Warn("the log that stays behind a snapshot could not be bounded", "error", err)
	}
}
