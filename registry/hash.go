package registry

import (
	"crypto/sha256"
	"encoding/hex"
)

// PayloadHash is the digest that tells whether two appends under one replay
// key are the same event: SHA-256 over the canonical text of the array
// [event_type, payload]. It fails as CanonicalJSON does. Spec 2.3, 5.12.
func PayloadHash(eventType string, payload JSON) ([32]byte, error) {
	c := canonicalizers.Get().(*canonicalizer)
	defer c.release()
	c.dst = append(AppendCanonicalString(append(c.room[:0], '['), eventType), ',')
	if err := c.append(payload); err != nil {
		return [32]byte{}, refuseJSON("payload", err)
	}
	c.room = append(c.dst, ']')
	return sha256.Sum256(c.room), nil
}

// WakeID is the identity of a wake: "wake:" and the digest, in lowercase hex, of
// the canonical text of [target scope id, dedupe key]. Process and sequence
// have no part in it unless the dedupe key is made of them. Spec 2.4, 4.6.
func WakeID(target SessionScope, dedupeKey string) string {
	var room [512]byte
	text := append(room[:0], '[')
	text = append(AppendCanonicalString(text, target.ScopeID()), ',')
	text = append(AppendCanonicalString(text, dedupeKey), ']')
	digest := sha256.Sum256(text)
	return "wake:" + hex.EncodeToString(digest[:])
}

// RegistrationHash is what decides whether a repeated registration is the same
// one: 64 lowercase hex digits of SHA-256 over the registration's JSON form
// with all free JSON canonical. The registration must have its event types
// completed (CompleteEventTypes). It fails with InvalidArgument when the
// registration has no JSON form. Spec 2.3, 5.2.
func RegistrationHash(r ProcessRegistration) (string, error) {
	e := encoder{buf: make([]byte, 0, 2<<10), canonical: true}
	r.encode(&e)
	if e.err != nil {
		return "", e.err
	}
	digest := sha256.Sum256(e.buf)
	return hex.EncodeToString(digest[:]), nil
}

// ExternalRefHash is what decides whether a repeated external ref is the same
// one: SHA-256 over its JSON form with the metadata canonical. Metadata that is
// null counts as absent. Spec 2.1, 5.3.
func ExternalRefHash(r ProcessExternalRef) ([32]byte, error) {
	e := encoder{buf: make([]byte, 0, 256), canonical: true}
	r.encode(&e)
	return sha256.Sum256(e.buf), e.err
}
