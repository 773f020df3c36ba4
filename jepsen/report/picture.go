package report

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/holdfast-registry/holdfast/internal/model"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// Times of a picture are milliseconds since the beginning of the run.
type picture struct {
	EndMs   float64  `json:"end"`
	Faults  []span   `json:"faults"`
	Leaders []span   `json:"leaders"`
	Leases  []span   `json:"leases"`
	Buckets []bucket `json:"buckets"`
	Points  []point  `json:"points"`
}

// span is something that lasted; Row is where it is drawn.
type span struct {
	Row    string  `json:"row"`
	Label  string  `json:"label"`
	FromMs float64 `json:"from"`
	ToMs   float64 `json:"to"`
	// BackMs is when the cluster served again after a fault, 0 if it did not.
	BackMs float64 `json:"back,omitempty"`
}

// bucket counts what returned in a quarter of a second.
type bucket struct {
	AtMs    float64 `json:"at"`
	OK      int     `json:"ok"`
	Refused int     `json:"refused"`
	Unknown int     `json:"unknown"`
	// P50Ms and P99Ms are of the operations that were answered.
	P50Ms float64 `json:"p50"`
	P99Ms float64 `json:"p99"`
}

// point is one operation.
type point struct {
	AtMs    float64 `json:"t"`
	TookMs  float64 `json:"d"`
	Outcome string  `json:"o"`
	Label   string  `json:"l"`
}

const (
	bucketMs = 250
	// maxPoints and maxLeases bound the page of a long run.
	maxPoints = 5000
	maxLeases = 4000
)

func ms(ns int64) float64 { return float64(ns/1000) / 1000 }

func newPicture(h *history.History) picture {
	p := picture{Faults: faultSpans(h), Leaders: leaderSpans(h), Leases: leaseSpans(h)}
	for _, o := range h.Ops {
		p.EndMs = max(p.EndMs, ms(o.InvokeNs), ms(o.ReturnNs))
	}
	for _, f := range h.Faults {
		p.EndMs = max(p.EndMs, ms(f.AtNs))
	}
	p.Buckets, p.Points = buckets(h, p.EndMs), points(h)
	return p
}

func faultSpans(h *history.History) (spans []span) {
	byNumber := make(map[int]int)
	for _, f := range h.Faults {
		i, known := byNumber[f.Number]
		if !known {
			i = len(spans)
			byNumber[f.Number] = i
			spans = append(spans, span{Row: f.Name, Label: f.Detail, FromMs: ms(f.AtNs)})
		}
		switch f.Phase {
		case history.Recovered:
			spans[i].BackMs = ms(f.AtNs)
		default:
			spans[i].ToMs = ms(f.AtNs)
		}
	}
	return spans
}

// returned are the operations that have returned, by when.
func returned(h *history.History) []*history.Op {
	ops := slices.DeleteFunc(slices.Clone(h.Ops), func(o *history.Op) bool { return !o.Returned() })
	slices.SortFunc(ops, func(a, b *history.Op) int { return cmp.Compare(a.ReturnNs, b.ReturnNs) })
	return ops
}

// leaderSpans shows who led by what answers named.
func leaderSpans(h *history.History) (spans []span) {
	for _, o := range returned(h) {
		if !o.Judged() || o.Info.LeaderID == "" {
			continue
		}
		at := ms(o.ReturnNs)
		if last := len(spans) - 1; last >= 0 && spans[last].Row == o.Info.LeaderID {
			spans[last].ToMs = at
			continue
		}
		spans = append(spans, span{Row: o.Info.LeaderID, Label: o.Info.LeaderID, FromMs: ms(o.InvokeNs), ToMs: at})
	}
	return spans
}

// leaseSpans shows each lease from the call that got it to the last claim or
// renewal that was answered with it. A read shows leases that have long ended.
func leaseSpans(h *history.History) (spans []span) {
	byToken := make(map[string]int)
	for _, o := range returned(h) {
		l := o.Answer.Lease
		if _, reads := o.Call.(model.GetProcessLease); l == nil || reads || len(spans) >= maxLeases {
			continue
		}
		i, known := byToken[l.LeaseToken]
		if !known {
			i = len(spans)
			byToken[l.LeaseToken] = i
			spans = append(spans, span{Row: l.ProcessID, Label: label(l), FromMs: ms(o.InvokeNs)})
		}
		spans[i].ToMs = ms(o.ReturnNs)
	}
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.Row, b.Row) })
	return spans
}

func label(l *registry.ProcessLease) string {
	return l.Owner.IncarnationID + ", fencing token " + strconv.FormatUint(l.FencingToken, 10)
}

func buckets(h *history.History, endMs float64) []bucket {
	all := make([]bucket, int(endMs/bucketMs)+1)
	took := make([][]float64, len(all))
	for _, o := range returned(h) {
		i := int(ms(o.ReturnNs) / bucketMs)
		switch o.Outcome {
		case history.OK:
			all[i].OK++
			took[i] = append(took[i], ms(o.ReturnNs-o.InvokeNs))
		case history.Refused:
			all[i].Refused++
		default:
			all[i].Unknown++
		}
	}
	for i := range all {
		all[i].AtMs = float64(i * bucketMs)
		if n := len(took[i]); n > 0 {
			slices.Sort(took[i])
			all[i].P50Ms, all[i].P99Ms = took[i][n/2], took[i][n*99/100]
		}
	}
	return all
}

// points are the operations, thinned out evenly if there are too many; what
// was not ok stays.
func points(h *history.History) (all []point) {
	ops := returned(h)
	every := len(ops)/maxPoints + 1
	for i, o := range ops {
		if i%every == 0 || o.Outcome == history.Unknown {
			all = append(all, point{ms(o.InvokeNs), ms(o.ReturnNs - o.InvokeNs), string(o.Outcome), history.Describe(o)})
		}
	}
	return all
}

// errorCount is how often a call was answered with an error.
type errorCount struct {
	Call, Code string
	Count      int
}

func countErrors(h *history.History) (counts []errorCount) {
	table := make(map[errorCount]int)
	for _, o := range h.Ops {
		if o.Answer.Code != 0 {
			table[errorCount{Call: history.CallName(o.Call), Code: o.Answer.Code.String()}]++
		}
	}
	for key := range maps.Keys(table) {
		key.Count = table[errorCount{Call: key.Call, Code: key.Code}]
		counts = append(counts, key)
	}
	slices.SortFunc(counts, func(a, b errorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Call, b.Call), cmp.Compare(a.Code, b.Code))
	})
	return counts
}
