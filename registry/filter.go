package registry

// StatusFilter selects records by state. The zero value selects running ones.
type StatusFilter string

// The status filters that are not states themselves; every ProcessState is a
// filter too.
const (
	StatusAny     StatusFilter = "any"
	StatusRunning StatusFilter = "running"
)

// ProcessListFilter selects records. The zero value selects running records
// and so hides terminal ones.
type ProcessListFilter struct {
	// Definition, when present, must equal the record's identity.definition as
	// a JSON value.
	Definition JSON
	Status     StatusFilter
	// Waiting, when present, must equal whether the record has a wait.
	Waiting *bool
}

// ValidateFilter checks a list filter: the status is empty (running), any, or
// the name of a state. Spec 3.20.
func ValidateFilter(f ProcessListFilter) error {
	if f.Status != "" && f.Status != StatusAny && !ProcessState(f.Status).valid() {
		return invalid("filter.status", "status filter %q is not known", string(f.Status))
	}
	return checkOptional("filter.definition", f.Definition)
}

// MatchesFilter tells whether a record is selected. A definition is compared as
// a JSON value, and never matches a record without one, not even null. The
// empty status selects running records. Spec 3.20.
func MatchesFilter(f ProcessListFilter, r *ProcessRecord) bool {
	status := f.Status
	if status == "" {
		status = StatusRunning
	}
	if status != StatusAny && ProcessState(status) != r.Status.State {
		return false
	}
	if f.Waiting != nil && *f.Waiting != (r.Wait != nil) {
		return false
	}
	// Last, for it is the only costly comparison.
	return len(f.Definition) == 0 || !isAbsent(r.Identity.Definition) && EqualJSON(f.Definition, r.Identity.Definition)
}
