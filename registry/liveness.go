package registry

// SameHost reports whether one of two owners can see whether the other has
// died: both are local processes, of one host and one boot of it. What host_id
// tells apart is up to those who mint it; see client/liveness. Spec A5, 5.27.
func (l LeaseOwnerLiveness) SameHost(other LeaseOwnerLiveness) bool {
	return l.Kind == LivenessLocalProcess && other.Kind == LivenessLocalProcess &&
		l.HostID == other.HostID && l.BootID == other.BootID
}
