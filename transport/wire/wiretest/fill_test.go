package wiretest

import (
	"reflect"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestFullLeavesNothingEmpty(t *testing.T) {
	for seed := range uint64(8) {
		nothingEmpty(t, reflect.ValueOf(Full[registry.ProcessRegistration](seed)), "registration")
		nothingEmpty(t, reflect.ValueOf(Full[registry.ProcessHandleGrantEntry](seed)), "entry")
		nothingEmpty(t, reflect.ValueOf(Full[registry.ProcessEventAppendResult](seed)), "result")
		nothingEmpty(t, reflect.ValueOf(Full[registry.ClusterStatus](seed)), "status")
	}
}

// nothingEmpty looks at everything but the fields of selectors, which end
// somewhere.
func nothingEmpty(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if v.Type() == reflect.TypeFor[registry.Selector]() && field.Name == "Fields" {
				continue
			}
			nothingEmpty(t, v.Field(i), path+"."+field.Name)
		}
	case reflect.Pointer:
		if v.IsNil() {
			t.Errorf("%s is nil", path)
			return
		}
		nothingEmpty(t, v.Elem(), path)
	case reflect.Slice:
		if v.IsNil() {
			t.Errorf("%s is nil", path)
			return
		}
		if v.Type() == reflect.TypeFor[registry.JSON]() {
			return
		}
		for i := range v.Len() {
			nothingEmpty(t, v.Index(i), path)
		}
	default:
		if v.IsZero() {
			t.Errorf("%s is zero", path)
		}
	}
}
