package registry_test

import (
	"encoding/hex"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// plainRegistration is the registration of example 3 in spec 2.4.
func plainRegistration(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID:          id,
		Input:       registry.ProcessInput{Kind: registry.InputExternal},
		Disposition: registry.ExternallyOwned,
		Identity:    registry.ProcessIdentity{Kind: "external"},
		EventTypes:  registry.CoreEventTypes(),
	}
}

func TestRegistrationHash(t *testing.T) {
	const plainHash = "630d34e14a344d2cd2e6171292f7edf9961fb9beeeef570328a81c73fb613474"
	hash := func(t *testing.T, r registry.ProcessRegistration) string {
		t.Helper()
		got, err := registry.RegistrationHash(r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("the plain registration has the hash of the worked example", func(t *testing.T) {
		if got := hash(t, plainRegistration("proc-idempotent")); got != plainHash {
			t.Errorf("got %s, want %s", got, plainHash)
		}
	})
	same := map[string]func(*registry.ProcessRegistration){
		"completing the event types gives the same hash": func(r *registry.ProcessRegistration) {
			r.EventTypes = registry.CompleteEventTypes(nil)
		},
		"optional fencing is the same as none": func(r *registry.ProcessRegistration) {
			r.Fencing = registry.FencingOptional
		},
		"a null definition is the same as none": func(r *registry.ProcessRegistration) {
			r.Identity.Definition = registry.JSON(" null\n")
		},
		"null metadata is the same as none": func(r *registry.ProcessRegistration) {
			r.Input.Metadata = registry.JSON(" null ")
		},
		"white space in a schema does not count": func(r *registry.ProcessRegistration) {
			r.EventTypes[1].PayloadSchema = registry.JSON("{ }")
		},
	}
	for name, change := range same {
		t.Run(name, func(t *testing.T) {
			r := plainRegistration("proc-idempotent")
			change(&r)
			if got := hash(t, r); got != plainHash {
				t.Errorf("got %s, want %s", got, plainHash)
			}
		})
	}
	other := map[string]func(*registry.ProcessRegistration){
		"required fencing changes the hash": func(r *registry.ProcessRegistration) {
			r.Fencing = registry.FencingRequired
		},
		"the order of event types changes the hash": func(r *registry.ProcessRegistration) {
			r.EventTypes[0], r.EventTypes[1] = r.EventTypes[1], r.EventTypes[0]
		},
		"a float differs from the integer of its value": func(r *registry.ProcessRegistration) {
			r.Input.Metadata = registry.JSON("1.0")
		},
	}
	for name, change := range other {
		t.Run(name, func(t *testing.T) {
			r := plainRegistration("proc-idempotent")
			change(&r)
			if got := hash(t, r); got == plainHash {
				t.Error("the hash did not change")
			}
		})
	}
	t.Run("a registration without a form has no hash", func(t *testing.T) {
		r := plainRegistration("p")
		r.Input = registry.ProcessInput{Kind: registry.InputToolCall}
		if _, err := registry.RegistrationHash(r); registry.CodeOf(err) != registry.CodeInvalidArgument {
			t.Errorf("got %v", err)
		}
	})
}

func TestPayloadHash(t *testing.T) {
	for _, c := range []struct{ name, eventType, payload, want string }{
		{"a cancel with a reason has the hash of the worked example", "process.cancel_requested", `{"reason":"stop"}`,
			"85a6238fa9840bc3105d1a06ca03df61803080fefa838ab687d36662275be019"},
		{"a cancel without a reason has the hash of the worked example", "process.cancel_requested", ` { "reason" : null } `,
			"5532b5f3befaa3efc27b125b501ee870e6405e058b099410f23165e543d2a782"},
		{"escapes and numbers have the hash of the worked example", "producer.line",
			`{"n":[1,1.0,-1,18446744073709551615,1e16,1e15,1e-5,0.000001,-0,1.50],` +
				`"a":"\u00e9\/\u003c\u2028\u0001\u007f\u0008\u000c\u000a\u000d\u0009\u0022\u005c"}`,
			"fc4eb2c8bb206d2adb07af94882fe518c4c6c33019235b938cb1c1c64b06cec5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := registry.PayloadHash(c.eventType, registry.JSON(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got[:]) != c.want {
				t.Errorf("got %x, want %s", got, c.want)
			}
		})
	}
	t.Run("a payload that is not JSON is refused", func(t *testing.T) {
		if _, err := registry.PayloadHash("e", registry.JSON("{")); registry.CodeOf(err) != registry.CodeInvalidArgument {
			t.Errorf("got %v", err)
		}
	})
}

func TestWakeID(t *testing.T) {
	for _, c := range []struct{ name, session, frame, key, want string }{
		{"a session target", "root", "", "group-a", "47638cea38923830386dd823b3b19b9ddc3dfdf6b2ac798f1be01f2400b61634"},
		{"a frame target", "target-session", "target-frame", "proc-provenance:1", "46cb109adef9ba0513a94be3a54c1a0adf5e05fcbbe38b46ba57e14f546b1e00"},
		{"a recorded id", "session-002", "", "process/wake/session-002/001", "51231fa7d6b2e37aa1254d66324496689fdff9282f92eaccbf85708710517129"},
	} {
		t.Run(c.name+" has the id of the worked example", func(t *testing.T) {
			got := registry.WakeID(registry.SessionScope{SessionID: c.session, AgentFrameID: c.frame}, c.key)
			if got != "wake:"+c.want {
				t.Errorf("got %s, want wake:%s", got, c.want)
			}
		})
	}
}

func BenchmarkPayloadHash(b *testing.B) {
	payload := registry.JSON(`{"await_output":{"type":"success","value":{"rows":[1,2,3],"text":"some words of a result"}},"zeta":1.5,"alpha":null}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.PayloadHash("process.completed", payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRegistrationHash(b *testing.B) {
	registration := registry.ProcessRegistration{
		ID: "p", Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input: registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON(`{"rows":[1,2,3],"text":"some words of an input","nested":{"zeta":1.5,"alpha":null}}`)},
		EventTypes: []registry.ProcessEventType{
			{Name: "progress", PayloadSchema: registry.JSON(`{"type":"object","required":["step"],"properties":{"step":{"type":"integer"}}}`)},
			{Name: "note", PayloadSchema: registry.JSON(`{}`)},
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.RegistrationHash(registration); err != nil {
			b.Fatal(err)
		}
	}
}
