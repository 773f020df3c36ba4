package wire

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire/wiretest"
)

// table is an enum seen without its types.
type table struct {
	name   string
	texts  []string
	wire   protoreflect.EnumDescriptor
	number func(text string) int32
	text   func(number int32) (string, error)
}

func tableOf[G ~string, P interface {
	~int32
	protoreflect.Enum
}](e enum[G, P]) table {
	texts := make([]string, len(e))
	for i, text := range e {
		texts[i] = string(text)
	}
	var zero P
	return table{
		name:   reflect.TypeFor[G]().Name(),
		texts:  texts,
		wire:   zero.Descriptor(),
		number: func(text string) int32 { return int32(e.toPB(G(text))) },
		text: func(number int32) (string, error) {
			var d decoder
			text, err := result(&d, e.fromPB(&d, P(number), "a.field"))
			return string(text), err
		},
	}
}

func enumTables() []table {
	return []table{
		tableOf(causalKinds), tableOf(dispositions), tableOf(inputKinds), tableOf(processStates), tableOf(selectorKinds),
		tableOf(dedupeKinds), tableOf(fencingModes), tableOf(outputKinds), tableOf(failureClasses), tableOf(abandonWriters),
		tableOf(waitKinds), tableOf(livenessKinds), tableOf(holderVerdicts), tableOf(durabilityTiers), tableOf(statusFilters),
	}
}

func TestEnumNumbersAreThoseOfTheProtoFiles(t *testing.T) {
	for _, table := range enumTables() {
		values := table.wire.Values()
		if values.Len() != len(table.texts) {
			t.Errorf("%s has %d values, its wire form %d", table.name, len(table.texts), values.Len())
			continue
		}
		for number, text := range table.texts {
			value := values.ByNumber(protoreflect.EnumNumber(number))
			if number == 0 {
				text = "unspecified"
			}
			if value == nil || !strings.HasSuffix(string(value.Name()), "_"+strings.ToUpper(text)) {
				t.Errorf("%s: number %d is %q here and %v in the .proto file", table.name, number, text, value)
			}
		}
	}
}

func TestUnknownEnumValuesAreRefused(t *testing.T) {
	for _, table := range enumTables() {
		unknown := table.number("no such text")
		for _, number := range []int32{unknown, -7, int32(len(table.texts)), 1 << 30} {
			text, err := table.text(number)
			var e *registry.Error
			if !errors.As(err, &e) || e.Code != registry.CodeInvalidArgument || e.Fields.Field != "a.field" || text != "" {
				t.Errorf("%s: number %d reads as %q, %v", table.name, number, text, err)
			}
		}
	}
}

// TestEveryRegistryConstantIsOnTheWire reads the registry's source, because
// constants cannot be listed by reflection.
func TestEveryRegistryConstantIsOnTheWire(t *testing.T) {
	tables := make(map[string]table)
	for _, table := range enumTables() {
		tables[table.name] = table
	}
	names, err := filepath.Glob("../../registry/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var declarations []ast.Decl
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		declarations = append(declarations, file.Decls...)
	}
	found := 0
	for _, declaration := range declarations {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			spec := spec.(*ast.ValueSpec)
			typ, ok := spec.Type.(*ast.Ident)
			literal, isText := spec.Values[0].(*ast.BasicLit)
			if !ok || !isText || literal.Kind != token.STRING {
				continue
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			table, ok := tables[typ.Name]
			if !ok {
				t.Errorf("%s has no table", typ.Name)
			} else if table.number(text) <= 0 {
				t.Errorf("%s %q has no number", typ.Name, text)
			}
		}
	}
	if found < 45 {
		t.Errorf("found only %d constants in the registry's source", found)
	}
}

// TestEveryBrokenSpotIsRefusedByName breaks each enum in every message, and
// takes each sub-message away, wherever it lies.
func TestEveryBrokenSpotIsRefusedByName(t *testing.T) {
	for _, trip := range trips {
		t.Run(trip.registryType.Name(), func(t *testing.T) {
			full := func() proto.Message {
				next := uint64(1)
				return trip.encode(trip.make(wiretest.Filler{
					Absent: func() bool { return false },
					Next:   func() uint64 { next++; return next },
				}))
			}
			for i, total := 0, len(spots(full().ProtoReflect(), "")); i < total; i++ {
				m := full()
				spot := spots(m.ProtoReflect(), "")[i]
				spot.damage()
				_, err := trip.decode(cross(t, m))
				if err == nil && !spot.optional {
					t.Errorf("%s was taken without %s", trip.registryType.Name(), spot.path)
				}
				var e *registry.Error
				if err != nil && (!errors.As(err, &e) || e.Code != registry.CodeInvalidArgument || e.Fields.Field == "" || !strings.Contains(e.Message, e.Fields.Field)) {
					t.Errorf("%s without %s: %#v", trip.registryType.Name(), spot.path, err)
				}
			}
		})
	}
}

// spot is a place of a message that can be damaged.
type spot struct {
	path     string
	optional bool
	damage   func()
}

// required are the sub-messages that have no meaning when they are missing.
var required = map[protoreflect.FullName]bool{
	"holdfast.v1.ProcessRegistration.input":      true,
	"holdfast.v1.ProcessRegistration.identity":   true,
	"holdfast.v1.ProcessRegistration.provenance": true,
	"holdfast.v1.ProcessRecord.input":            true,
	"holdfast.v1.ProcessRecord.identity":         true,
	"holdfast.v1.ProcessRecord.provenance":       true,
	"holdfast.v1.ProcessRecord.status":           true,
	"holdfast.v1.WakeSpec.input":                 true,
	"holdfast.v1.TemplateField.selector":         true,
	"holdfast.v1.ProcessStarted.owner":           true,
	"holdfast.v1.ProcessLease.owner":             true,
	"holdfast.v1.EventTerminal.await_output":     true,
	"holdfast.v1.ProcessEventAppendResult.event": true,
	"holdfast.v1.ProcessHandleGrantEntry.grant":  true,
	"holdfast.v1.ProcessHandleGrantEntry.record": true,
}

func spots(m protoreflect.Message, path string) []spot {
	var found []spot
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		path := path + "." + string(field.Name())
		switch {
		case field.Enum() != nil:
			found = append(found, spot{path: path, damage: func() { m.Set(field, protoreflect.ValueOfEnum(9999)) }})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				found = append(found, spots(value.List().Get(i).Message(), fmt.Sprintf("%s[%d]", path, i))...)
			}
		case field.Message() != nil:
			found = append(found, spot{path: path, optional: !required[field.FullName()], damage: func() { m.Clear(field) }})
			found = append(found, spots(value.Message(), path)...)
		}
		return true
	})
	return found
}

func TestMissingMessagesAreRefusedByName(t *testing.T) {
	var (
		_, registration = RegistrationFromPB(nil)
		_, record       = RecordFromPB(nil)
		_, ref          = ExternalRefFromPB(nil)
		_, output       = OutputFromPB(nil)
		_, started      = StartedFromPB(nil)
		_, request      = AbandonRequestFromPB(nil)
		_, wait         = WaitFromPB(nil)
		_, appended     = AppendRequestFromPB(nil)
		_, result       = AppendResultFromPB(nil)
		_, scope        = ScopeFromPB(nil, "from")
		_, grant        = GrantFromPB(nil)
		_, deleted      = DeleteReportFromPB(nil)
		_, pruned       = PruneReportFromPB(nil)
		_, owner        = OwnerFromPB(nil, "owner")
		_, lease        = LeaseFromPB(nil, "observed")
		_, outcome      = OutcomeFromPB(nil)
		_, completion   = CompletionFromPB(nil)
	)
	for _, missing := range []struct {
		field string
		err   error
	}{
		{"registration", registration}, {"record", record}, {"ref", ref}, {"output", output}, {"started", started},
		{"request", request}, {"wait", wait}, {"request", appended}, {"result", result}, {"from", scope}, {"grant", grant},
		{"report", deleted}, {"report", pruned}, {"owner", owner}, {"observed", lease}, {"outcome", outcome}, {"completion", completion},
	} {
		var e *registry.Error
		if !errors.As(missing.err, &e) || e.Code != registry.CodeInvalidArgument || e.Fields.Field != missing.field {
			t.Errorf("a missing %s gives %#v", missing.field, missing.err)
		}
	}
}

func TestDefaultsOfWhatMayBeLeftOut(t *testing.T) {
	filter, err := FilterFromPB(nil)
	if err != nil || !reflect.DeepEqual(filter, registry.ProcessListFilter{}) {
		t.Errorf("no filter reads as %+v, %v", filter, err)
	}
	if page := PageFromPB(nil); page != (registry.PageRequest{}) {
		t.Errorf("no page reads as %+v", page)
	}
	if descriptor := DescriptorFromPB(nil); descriptor != (registry.ProcessHandleDescriptor{}) {
		t.Errorf("no descriptor reads as %+v", descriptor)
	}
	var d decoder
	if key := d.dedupeKey(nil); key.Kind != registry.DedupeEventIdentity || d.err != nil {
		t.Errorf("no dedupe key reads as %+v, %v", key, d.err)
	}
}

func TestReadLevels(t *testing.T) {
	for _, level := range []registry.ReadLevel{registry.Linearizable, registry.Stale} {
		if arrived, err := ReadLevelFromPB(ReadLevelToPB(level)); err != nil || arrived != level {
			t.Errorf("level %d arrives as %d, %v", level, arrived, err)
		}
	}
	if arrived, err := ReadLevelFromPB(pb.ReadLevel_READ_LEVEL_LINEARIZABLE); err != nil || arrived != registry.Linearizable {
		t.Errorf("the spelled out level reads as %d, %v", arrived, err)
	}
	_, err := ReadLevelFromPB(ReadLevelToPB(registry.ReadLevel(9)))
	var e *registry.Error
	if !errors.As(err, &e) || e.Fields.Field != "read_level" {
		t.Errorf("an unknown level gives %v", err)
	}
}

// FuzzDecode makes messages out of any bytes: conversion must not panic, and
// what it accepts must be the same after another trip.
func FuzzDecode(f *testing.F) {
	for i, trip := range trips {
		next := uint64(i)
		bytes, err := proto.Marshal(trip.encode(trip.make(wiretest.Filler{
			Absent: func() bool { return false },
			Next:   func() uint64 { next++; return next },
		})))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), bytes)
		f.Add(byte(i), []byte{})
	}
	f.Fuzz(func(t *testing.T, which byte, bytes []byte) {
		trip := trips[int(which)%len(trips)]
		m := trip.empty.ProtoReflect().New().Interface()
		if proto.Unmarshal(bytes, m) != nil {
			return
		}
		value, err := trip.decode(m)
		if err != nil {
			return
		}
		trip.check(t, value)
	})
}
