package registry

// size is about what the registration takes on the wire: all texts and JSON in
// it. Only a registration can hold so many large values that a request of them
// passes MaxRequestBytes.
func (r *ProcessRegistration) size() int {
	p := &r.Input
	size := len(r.ID) + len(p.Call) + len(p.Engine) + len(p.Payload) + len(p.CreateRequest) + len(p.TurnInput) +
		len(p.OutputContract) + len(p.Metadata) + len(r.Identity.Kind) + len(r.Identity.Definition)
	for i := range r.EventTypes {
		t := &r.EventTypes[i]
		size += len(t.Name) + len(t.PayloadSchema)
		if spec := t.Semantics.Terminal; spec != nil {
			size += spec.AwaitOutput.size()
		}
		if spec := t.Semantics.Wake; spec != nil {
			size += spec.When.size() + spec.Input.size() + len(spec.DedupeKey.Const) + spec.DedupeKey.Selector.size()
		}
	}
	return size
}

func (s *Selector) size() int {
	if s == nil {
		return 0
	}
	size := len(s.Text) + len(s.Const)
	for i := range s.Fields {
		size += len(s.Fields[i].Name) + s.Fields[i].Selector.size()
	}
	return size
}
