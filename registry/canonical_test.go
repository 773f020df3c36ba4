package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"pgregory.net/rapid"
)

func TestCanonicalJSON(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"white space goes", " { \"a\" :\t[ 1 ,\r\n2 ] } ", `{"a":[1,2]}`},
		{"keys are sorted bytewise", `{"b":1,"B":2,"a":3,"":4,"é":5,"z":6}`, `{"":4,"B":2,"a":3,"b":1,"z":6,"é":5}`},
		{"keys are sorted by code point and not by UTF-16 unit", `{"\ud83d\ude00":1,"\uffee":2}`, `{"` + "\uffee" + `":2,"😀":1}`},
		{"keys are sorted by what they stand for, not by how they are escaped", `{"\u0062":1,"a":2,"\"":3,"#":4}`, `{"\"":3,"#":4,"a":2,"b":1}`},
		{"a key sorts before its extensions", `{"ab":1,"a":2}`, `{"a":2,"ab":1}`},
		{"the last of equal keys wins", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"the last of adjacent equal keys wins", `{"a":1,"\u0061":{"x":[1]},"a":3}`, `{"a":3}`},
		{"nested objects are sorted too", `{"b":{"d":1,"c":2},"a":[{"f":1,"e":2}]}`, `{"a":[{"e":2,"f":1}],"b":{"c":2,"d":1}}`},
		{"integers stay", `[0,1,-1,18446744073709551615,-9223372036854775808]`, `[0,1,-1,18446744073709551615,-9223372036854775808]`},
		{"integers beyond 64 bits become floats", `[18446744073709551616,-9223372036854775809,100000000000000000000000]`, `[1.8446744073709552e+19,-9.223372036854776e+18,1e+23]`},
		{"minus zero is a float", `[-0,-0.0,0.0,0e5,-0E-7]`, `[-0.0,-0.0,0.0,0.0,-0.0]`},
		{"a point or exponent makes a float", `[1.0,1e0,1E+2,1.50,10e-1]`, `[1.0,1.0,100.0,1.5,1.0]`},
		{"the fixed notation starts at 1e-5", `[0.00001,0.000012,0.0000099999999,1e-6,-1e-5]`, `[0.00001,0.000012,9.9999999e-6,1e-6,-0.00001]`},
		{"the fixed notation ends below 1e16", `[1e15,9999999999999998.0,1e16,-1e16,123456789e10]`, `[1000000000000000.0,9999999999999998.0,1e+16,-1e+16,1.23456789e+18]`},
		{"exponents are not padded", `[1.5e300,5e-324,1e-10,1e100,1e22]`, `[1.5e+300,5e-324,1e-10,1e+100,1e+22]`},
		{"what is too small is zero", `[1e-999,-1e-999]`, `[0.0,-0.0]`},
		{"long decimals take their shortest form", `0.1000000000000000055511151231257827`, `0.1`},
		{"only quotes, backslashes and controls are escaped", `"\"\\\/\b\f\n\r\t\u0000\u001F\u007f\u0080<>&"`, `"\"\\/\b\f\n\r\t\u0000\u001f` + "\u007f\u0080" + `<>&"`},
		{"surrogate pairs become one character", `"\uD83D\uDE00 \u2028 \u00e9"`, "\"😀 \u2028 é\""},
		{"literals stay", ` [null ,true,false] `, `[null,true,false]`},
		{"empty containers stay", `[{ },[ ],""]`, `[{},[],""]`},
		{"the deepest nesting allowed", strings.Repeat("[", 128) + strings.Repeat("]", 128), strings.Repeat("[", 128) + strings.Repeat("]", 128)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := registry.CanonicalJSON(registry.JSON(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// notJSON are texts that are no free JSON values, by what is wrong with them.
var notJSON = map[string]string{
	"nothing":                        "",
	"white space only":               "  ",
	"two values":                     "1 2",
	"an unfinished object":           `{"a":1`,
	"an unfinished key":              `{"a`,
	"a missing colon":                `{"a" 1}`,
	"a missing value":                `{"a":}`,
	"a trailing comma in an object":  `{"a":1,}`,
	"a trailing comma in an array":   `[1,]`,
	"a leading comma":                `[,1]`,
	"a missing comma":                `[1 2]`,
	"a bare key":                     `{a:1}`,
	"mismatched brackets":            `[1}`,
	"a bare word":                    `nul`,
	"a word too long":                `nulls`,
	"a leading zero":                 `01`,
	"a leading zero after a minus":   `-01`,
	"a lone minus":                   `-`,
	"a plus":                         `+1`,
	"a point without digits":         `1.`,
	"a point without whole":          `.5`,
	"an exponent without digits":     `1e`,
	"an exponent sign only":          `1e+`,
	"a hexadecimal number":           `0x10`,
	"an underscore in a number":      `1_0`,
	"infinity":                       `Infinity`,
	"an infinite float":              `1e999`,
	"a negative infinite float":      `-1e999`,
	"an infinite integer":            "1" + strings.Repeat("0", 400),
	"an unfinished string":           `"a`,
	"an unfinished escape":           `"\`,
	"an unknown escape":              `"\x"`,
	"a short unicode escape":         `"\u12"`,
	"a unicode escape with a letter": `"\u12G4"`,
	"a raw control character":        "\"\n\"",
	"a lone high surrogate":          `"\ud83d"`,
	"a lone low surrogate":           `"\ude00"`,
	"two high surrogates":            `"\ud83d\ud83d"`,
	"a high surrogate before text":   `"\ud83dabcdef"`,
	"a lone surrogate in a key":      `{"\ud83d":1}`,
	"invalid UTF-8":                  "\"\xff\"",
	"a raw surrogate in UTF-8":       "\"\xed\xa0\x80\"",
	"a byte order mark":              "\ufeff1",
	"a NUL byte after the value":     "1\x00",
	"single quotes":                  `'a'`,
	"a comment":                      `1 // one`,
	"129 open arrays":                strings.Repeat("[", 129) + strings.Repeat("]", 129),
	"a million open arrays":          strings.Repeat("[", 1_000_000),
	"a million open objects":         strings.Repeat(`{"a":`, 200_000),
}

func TestCanonicalJSONRefuses(t *testing.T) {
	for name, raw := range notJSON {
		t.Run(name+" is refused", func(t *testing.T) {
			kept := []byte("kept")
			got, err := registry.AppendCanonicalJSON(kept, registry.JSON(raw))
			if !errors.Is(err, registry.ErrInvalidArgument) {
				t.Fatalf("got %s, %v", got, err)
			}
			if string(got) != "kept" {
				t.Errorf("the buffer came back as %q", got)
			}
			if raw == "" {
				return
			}
			if err := registry.CheckJSON("payload", registry.JSON(raw)); !errors.Is(err, registry.ErrInvalidArgument) {
				t.Errorf("CheckJSON says %v", err)
			}
		})
	}
}

func TestCheckJSON(t *testing.T) {
	fields := func(t *testing.T, err error) registry.Fields {
		t.Helper()
		var e *registry.Error
		if !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		return e.Fields
	}
	t.Run("an absent value is refused by name", func(t *testing.T) {
		err := registry.CheckJSON("payload", nil)
		if f := fields(t, err); !errors.Is(err, registry.ErrInvalidArgument) || f.Field != "payload" {
			t.Errorf("got %v %+v", err, f)
		}
	})
	t.Run("a value over its size is too large, whatever it says", func(t *testing.T) {
		err := registry.CheckJSON("payload", bytes.Repeat([]byte("["), registry.MaxJSONBytes+1))
		f := fields(t, err)
		if !errors.Is(err, registry.ErrTooLarge) || f.Field != "payload" || *f.Limit != 1<<20 || *f.Value != 1<<20+1 {
			t.Errorf("got %v %+v", err, f)
		}
	})
	t.Run("a value of exactly its size is taken", func(t *testing.T) {
		if err := registry.CheckJSON("payload", []byte(`"`+strings.Repeat("x", registry.MaxJSONBytes-2)+`"`)); err != nil {
			t.Error(err)
		}
	})
	t.Run("nesting names the limit", func(t *testing.T) {
		f := fields(t, registry.CheckJSON("payload", bytes.Repeat([]byte("["), 200)))
		if f.Field != "payload" || *f.Limit != registry.MaxJSONDepth || *f.Value != registry.MaxJSONDepth+1 {
			t.Errorf("got %+v", f)
		}
	})
}

func TestEqualJSON(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"an integer is not a float", `1`, `1.0`, false},
		{"zeros of either sign are equal", `0.0`, `-0.0`, true},
		{"zeros of either sign are equal inside", `{"a":[-0]}`, `{"a":[0e1]}`, true},
		{"an integer zero is not a float zero", `0`, `0.0`, false},
		{"floats of the same value are equal", `1e2`, `100.0`, true},
		{"large integers differ by one", `18446744073709551615`, `18446744073709551614`, false},
		{"the order of keys does not matter", `{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		{"the order of elements matters", `[1,2]`, `[2,1]`, false},
		{"escapes do not matter", `"\u0061"`, `"a"`, true},
		{"normalisation forms differ", `"é"`, `"e` + "\u0301" + `"`, false},
		{"null is not absent", `null`, ``, false},
		{"absent equals absent", ``, ``, true},
		{"what is not JSON equals nothing", `{`, `1`, false},
		{"nothing equals what is not JSON", `1`, `{`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := registry.EqualJSON(registry.JSON(c.a), registry.JSON(c.b)); got != c.want {
				t.Errorf("EqualJSON(%s, %s) = %v", c.a, c.b, got)
			}
		})
	}
	t.Run("a comparison leaves no mark on later canonical texts", func(t *testing.T) {
		registry.EqualJSON(registry.JSON("-0.0"), registry.JSON("0.0"))
		if got, _ := registry.CanonicalJSON(registry.JSON("-0.0")); string(got) != "-0.0" {
			t.Errorf("got %s", got)
		}
	})
}

// drawValue draws a JSON value and returns two texts of it: plain, and with
// other white space, escapes and order of keys.
func drawValue(t *rapid.T, depth int) (plain, dressed string) {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
	pad := func(s string) string { return space.Draw(t, "before") + s + space.Draw(t, "after") }
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 && kind >= 5 {
		kind = 0
	}
	switch kind {
	case 0:
		word := rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
		return word, pad(word)
	case 1:
		text := strconv.FormatUint(rapid.Uint64().Draw(t, "uint"), 10)
		return text, pad(text)
	case 2:
		text := strconv.FormatInt(rapid.Int64Max(-1).Draw(t, "int"), 10)
		return text, pad(text)
	case 3:
		value := rapid.Float64().Filter(func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }).Draw(t, "float")
		return strconv.FormatFloat(value, 'e', -1, 64), pad(strconv.FormatFloat(value, 'E', 18, 64))
	case 4:
		a, b := drawString(t)
		return a, pad(b)
	case 5:
		var a, b []string
		for range rapid.IntRange(0, 4).Draw(t, "elements") {
			x, y := drawValue(t, depth-1)
			a, b = append(a, x), append(b, y)
		}
		return "[" + strings.Join(a, ",") + "]", pad("[" + strings.Join(b, ",") + space.Draw(t, "in") + "]")
	default:
		var a, b []string
		for i := range rapid.IntRange(0, 5).Draw(t, "members") {
			k, l := drawString(t)
			// A number makes the key unique: which of two wins depends on order.
			k, l = fmt.Sprintf("%s#%d\"", k[:len(k)-1], i), fmt.Sprintf("%s#%d\"", l[:len(l)-1], i)
			x, y := drawValue(t, depth-1)
			a, b = append(a, k+":"+x), append(b, pad(l)+":"+y)
		}
		if len(b) > 0 {
			b = rapid.Permutation(b).Draw(t, "order")
		}
		return "{" + strings.Join(a, ",") + "}", pad("{" + strings.Join(b, ",") + space.Draw(t, "in") + "}")
	}
}

func drawString(t *rapid.T) (plain, dressed string) {
	var a, b strings.Builder
	a.WriteByte('"')
	b.WriteByte('"')
	for _, r := range rapid.SliceOfN(rapid.Rune(), 0, 6).Draw(t, "runes") {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		quoted, err := json.Marshal(string(r))
		if err != nil {
			t.Fatal(err)
		}
		a.Write(quoted[1 : len(quoted)-1])
		switch {
		case rapid.Bool().Draw(t, "raw") && r >= 0x20 && r != '"' && r != '\\':
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			fmt.Fprintf(&b, "\\u%04x\\u%04X", 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		}
	}
	a.WriteByte('"')
	b.WriteByte('"')
	return a.String(), b.String()
}

func TestCanonicalProperties(t *testing.T) {
	t.Run("one value has one canonical text however it is written", rapid.MakeCheck(func(t *rapid.T) {
		plain, dressed := drawValue(t, 4)
		a, err := registry.CanonicalJSON(registry.JSON(plain))
		if err != nil {
			t.Fatal(plain, err)
		}
		b, err := registry.CanonicalJSON(registry.JSON(dressed))
		if err != nil {
			t.Fatal(dressed, err)
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("%s\n%s", a, b)
		}
		if !registry.EqualJSON(registry.JSON(plain), registry.JSON(dressed)) {
			t.Fatal("not equal")
		}
		again, err := registry.CanonicalJSON(a)
		if err != nil || !bytes.Equal(a, again) {
			t.Fatalf("canonical text %s became %s, %v", a, again, err)
		}
	}))
	t.Run("equality is symmetric and follows the canonical text", rapid.MakeCheck(func(t *rapid.T) {
		a, _ := drawValue(t, 1)
		b, _ := drawValue(t, 1)
		forth, back := registry.EqualJSON(registry.JSON(a), registry.JSON(b)), registry.EqualJSON(registry.JSON(b), registry.JSON(a))
		x, _ := registry.CanonicalJSON(registry.JSON(a))
		y, _ := registry.CanonicalJSON(registry.JSON(b))
		fold := func(s []byte) string { return strings.ReplaceAll(string(s), "-0.0", "0.0") }
		if forth != back || forth != (fold(x) == fold(y)) {
			t.Fatalf("%s and %s: %v, %v", a, b, forth, back)
		}
	}))
	t.Run("every float reads back as itself", rapid.MakeCheck(func(t *rapid.T) {
		x := rapid.Float64().Filter(func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }).Draw(t, "float")
		text, err := registry.CanonicalJSON([]byte(strconv.FormatFloat(x, 'e', -1, 64)))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := strconv.ParseFloat(string(text), 64); err != nil || math.Float64bits(back) != math.Float64bits(x) {
			t.Fatalf("%v became %s", x, text)
		}
		if !strings.ContainsAny(string(text), ".e") {
			t.Fatalf("%s reads as an integer", text)
		}
	}))
}

// FuzzCanonicalJSON checks, on any bytes, that nothing panics, that our grammar
// is no wider than encoding/json's, and that canonical text is a fixed point.
func FuzzCanonicalJSON(f *testing.F) {
	for _, raw := range notJSON {
		if len(raw) < 1000 {
			f.Add([]byte(raw))
		}
	}
	f.Add([]byte(`{"b":[1,1.0,-0,1e16,{"z":1,"a":"\u00e9\ud83d\ude00"}],"a":null,"b":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		checked := registry.CheckJSON("value", raw)
		text, err := registry.CanonicalJSON(raw)
		if (checked == nil) != (err == nil) && len(raw) <= registry.MaxJSONBytes {
			t.Fatalf("CheckJSON says %v, CanonicalJSON %v", checked, err)
		}
		if err != nil {
			return
		}
		if !json.Valid(raw) || !json.Valid(text) {
			t.Fatalf("%q is not JSON, or its canonical text %q", raw, text)
		}
		again, err := registry.CanonicalJSON(text)
		if err != nil || !bytes.Equal(text, again) {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
		if !registry.EqualJSON(raw, text) {
			t.Fatalf("%q does not equal its canonical text %q", raw, text)
		}
	})
}
