// Package wiretest makes values of the registry's types for tests that want to
// see every field of them arrive somewhere.
package wiretest

import (
	"fmt"
	"math"
	"reflect"

	"github.com/holdfast-registry/holdfast/registry"
)

// maxDepth ends types that hold themselves, as selectors do.
const maxDepth = 12

// texts are the values of the registry's enumerations. A text type that is not
// listed makes a filler panic, so that a new one is not forgotten.
var texts = map[reflect.Type][]string{
	reflect.TypeFor[registry.CausalKind](): {
		string(registry.CausalTurn), string(registry.CausalEffect), string(registry.CausalToolCall), string(registry.CausalProcess),
		string(registry.CausalProcessEvent), string(registry.CausalTriggerOccurrence), string(registry.CausalSessionNode),
	},
	reflect.TypeFor[registry.RecoveryDisposition](): {
		string(registry.OwnerBound), string(registry.Rerunnable), string(registry.ExternallyOwned),
	},
	reflect.TypeFor[registry.InputKind](): {
		string(registry.InputEngine), string(registry.InputToolCall), string(registry.InputSessionTurn), string(registry.InputExternal),
	},
	reflect.TypeFor[registry.ProcessState](): {
		string(registry.StateFailed), string(registry.StateRunning), string(registry.StateCompleted), string(registry.StateCancelled), string(registry.StateAbandoned),
	},
	reflect.TypeFor[registry.SelectorKind](): {
		string(registry.SelectTemplate), string(registry.SelectPayload), string(registry.SelectPointer), string(registry.SelectConst), string(registry.SelectPresent),
	},
	reflect.TypeFor[registry.DedupeKind](): {
		string(registry.DedupeSelector), string(registry.DedupeEventIdentity), string(registry.DedupeConst),
	},
	reflect.TypeFor[registry.FencingMode](): {string(registry.FencingRequired), string(registry.FencingOptional)},
	reflect.TypeFor[registry.OutputKind](): {
		string(registry.OutputFailure), string(registry.OutputSuccess), string(registry.OutputCancelled), string(registry.OutputAbandoned),
	},
	reflect.TypeFor[registry.FailureClass](): {
		string(registry.ClassTimeout), string(registry.ClassInvalidRequest), string(registry.ClassUnavailable), string(registry.ClassPermissionDenied),
		string(registry.ClassExecution), string(registry.ClassExternal), string(registry.ClassResourceLimit), string(registry.ClassInternal),
	},
	reflect.TypeFor[registry.AbandonWriter](): {
		string(registry.WriterSweep), string(registry.WriterOwnerDrain), string(registry.WriterReconciledRequest),
	},
	reflect.TypeFor[registry.WaitKind]():       {string(registry.WaitSignal)},
	reflect.TypeFor[registry.LivenessKind]():   {string(registry.LivenessLocalProcess), string(registry.LivenessOpaque)},
	reflect.TypeFor[registry.HolderVerdict]():  {string(registry.VerdictDead), string(registry.VerdictUnknown)},
	reflect.TypeFor[registry.DurabilityTier](): {string(registry.TierDurable), string(registry.TierInline)},
	reflect.TypeFor[registry.StatusFilter](): {
		string(registry.StatusAny), string(registry.StatusRunning), string(registry.StateCompleted), string(registry.StateFailed),
		string(registry.StateCancelled), string(registry.StateAbandoned),
	},
	reflect.TypeFor[string](): nil,
}

// Filler makes values. Absent decides whether a pointer, slice, text or number
// stays empty; Next gives the numbers that everything else is made of.
type Filler struct {
	Absent func() bool
	Next   func() uint64
}

// Full returns a value in which every field is set, each leaf differently as
// far as its type allows. Equal seeds give equal values.
func Full[T any](seed uint64) T {
	filler := Filler{
		Absent: func() bool { return false },
		Next:   func() uint64 { seed++; return seed },
	}
	return Make[T](filler)
}

// Make returns a value that the filler decides on.
func Make[T any](filler Filler) T {
	var value T
	filler.Fill(reflect.ValueOf(&value).Elem())
	return value
}

// Fill sets a value of any type that the registry's interfaces use.
func (f Filler) Fill(v reflect.Value) { f.fill(v, 0) }

func (f Filler) fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		if depth < maxDepth && !f.Absent() {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		f.fillSlice(v, depth)
	default:
		if !f.Absent() {
			f.fillLeaf(v)
		}
	}
}

func (f Filler) fillSlice(v reflect.Value, depth int) {
	switch {
	case f.Absent():
	case v.Type() == reflect.TypeFor[registry.JSON]():
		v.SetBytes(f.json())
	case depth < maxDepth:
		v.Set(reflect.MakeSlice(v.Type(), int(1+f.Next()%2), 2))
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	}
}

// json is a text that a parser would change, or not even accept: the wire must
// carry it as it is.
func (f Filler) json() []byte {
	switch n := f.Next(); n % 4 {
	case 0:
		return []byte{}
	case 1:
		return []byte("null")
	default:
		return fmt.Appendf(nil, "{ \"z\": 1.0, \"n\" :%d,\"n\":1e400}", n)
	}
}

func (f Filler) fillLeaf(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		known, ok := texts[v.Type()]
		if !ok {
			panic(fmt.Sprintf("wiretest does not know the values of %v", v.Type()))
		}
		if known == nil {
			v.SetString(fmt.Sprintf("é text %d", f.Next()))
			return
		}
		v.SetString(known[f.Next()%uint64(len(known))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint64:
		// High bits too, so that a field narrowed on its way is seen.
		v.SetUint(math.MaxUint64 - f.Next())
	case reflect.Uint16:
		// An error code, definite: only those can be marked as unknown.
		v.SetUint(uint64(registry.CodeInvalidArgument) + f.Next()%uint64(registry.CodeNoLeader))
	case reflect.Uint32:
		v.SetUint(math.MaxUint32 - f.Next()%math.MaxUint32)
	case reflect.Int:
		v.SetInt(math.MinInt64 + int64(f.Next()%math.MaxInt64))
	default:
		panic(fmt.Sprintf("wiretest cannot fill a %v", v.Type()))
	}
}
