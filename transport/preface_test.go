package transport

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

var sampleFrame = frame{kind: byte(PurposeRaft), hello: Hello{ClusterID: "c1", NodeID: "n1", InstanceID: "i1"}, last: "n2"}

// sampleBytes pins format 1.
const sampleBytes = "48464e44" + "01" + "01" + "0010" + "00026331" + "00026e31" + "00026931" + "00026e32" + "e181bb96"

func TestPrefaceBytesOfFormat1(t *testing.T) {
	got, err := sampleFrame.encode(prefaceMagic)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(got) != sampleBytes {
		t.Fatalf("encoded %x, want %s", got, sampleBytes)
	}
	r := bytes.NewReader(append(got, "next"...))
	back, err := readFrame(r, prefaceMagic)
	if err != nil || back != sampleFrame {
		t.Fatalf("decoded %+v, %v", back, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "next" {
		t.Fatalf("left %q, want every byte that follows the preface", rest)
	}
}

func TestPrefaceDecoderRefuses(t *testing.T) {
	good, _ := hex.DecodeString(sampleBytes)
	edit := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(good)) }
	long := frame{hello: Hello{NodeID: strings.Repeat("x", maxHelloFieldBytes)}, last: strings.Repeat("y", maxLastFieldBytes)}
	cases := []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"AnotherMagic", edit(func(b []byte) []byte { b[3] = 'X'; return b }), errMagic.Error()},
		{"AFutureVersion", edit(func(b []byte) []byte { b[4] = 9; return b }), "format 1, the other one format 9"},
		{"AChangedByte", edit(func(b []byte) []byte { b[10] ^= 1; return b }), "checksum"},
		{"AChangedPurpose", edit(func(b []byte) []byte { b[5] = 2; return b }), "checksum"},
		{"FieldsOverTheLimit", edit(func(b []byte) []byte { b[6], b[7] = 0xff, 0xff; return b }), "the limit is 1800"},
		{"AFieldOverItsLimit", resum(edit(func(b []byte) []byte { b[8] = 0xff; return b })), "field 1 of the preface has 65282 bytes, the limit is 256"},
		{"AFieldThatRunsOut", resum(edit(func(b []byte) []byte { b[8+12+1] = 3; return b })), "ends in field 4"},
		{"FieldsThatEndInALength", resum(edit(func(b []byte) []byte { b[8+8+1] = 5; return b })), "ends in the length of field 4"},
		{"BytesAfterTheFields", resum(edit(func(b []byte) []byte { b[8+12+1] = 1; return b })), "1 bytes after the last field"},
		{"TextThatIsNotUTF8", resum(edit(func(b []byte) []byte { b[10] = 0xff; return b })), "field 1 of the preface is not UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := readFrame(bytes.NewReader(c.bytes), prefaceMagic)
			mustFailWith(t, err, c.want)
		})
	}
	t.Run("EveryTruncation", func(t *testing.T) {
		for n := range good {
			if _, err := readFrame(bytes.NewReader(good[:n]), prefaceMagic); !isNetError(err) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	})
	t.Run("ButNotTheLargestValidOne", func(t *testing.T) {
		b, err := long.encode(prefaceMagic)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := readFrame(bytes.NewReader(b), prefaceMagic); err != nil || back != long {
			t.Fatalf("%+v, %v", back, err)
		}
	})
}

// resum replaces the checksum by the right one, so that what stands behind it
// is tested.
func resum(b []byte) []byte {
	body := b[:len(b)-frameCRCBytes]
	return appendCRC(bytes.Clone(body))
}

func TestPrefaceEncoderRefusesLongFields(t *testing.T) {
	for i := range 4 {
		f := frame{}
		text := strings.Repeat("x", fieldLimit(i)+1)
		switch i {
		case 0:
			f.hello.ClusterID = text
		case 1:
			f.hello.NodeID = text
		case 2:
			f.hello.InstanceID = text
		case 3:
			f.last = text
		}
		if _, err := f.encode(prefaceMagic); err == nil {
			t.Errorf("field %d of %d bytes was encoded", i+1, len(text))
		}
	}
}

func TestRefusalTextIsCutBetweenRunes(t *testing.T) {
	f := refusal(Hello{NodeID: "n1"}, errors.New("x"+strings.Repeat("ü", maxLastFieldBytes)))
	if len(f.last) != maxLastFieldBytes-1 || !utf8.ValidString(f.last) {
		t.Fatalf("%d bytes, valid %v", len(f.last), utf8.ValidString(f.last))
	}
	if _, err := f.encode(answerMagic); err != nil {
		t.Fatal(err)
	}
	if got := refusal(Hello{}, errors.New("bad \xff byte")).last; got != "bad ? byte" {
		t.Fatalf("%q", got)
	}
}

func FuzzReadFrame(f *testing.F) {
	good, _ := hex.DecodeString(sampleBytes)
	f.Add(good)
	f.Add(good[:11])
	f.Add([]byte("HFND\x01\x01\xff\xff"))
	f.Add(resum(append(bytes.Clone(good), 1, 2, 3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		// A second reading with a right checksum gets behind that check.
		inputs := [][]byte{data}
		if len(data) > frameHeaderBytes+frameCRCBytes {
			inputs = append(inputs, resum(data))
		}
		for _, input := range inputs {
			reader := &sizeReader{r: bytes.NewReader(input)}
			got, err := readFrame(reader, prefaceMagic)
			if reader.largest > maxFieldsBytes+frameCRCBytes {
				t.Fatalf("allocated %d bytes", reader.largest)
			}
			if err != nil {
				continue
			}
			again, err := got.encode(prefaceMagic)
			if err != nil || !bytes.Equal(again, input[:len(again)]) {
				t.Fatalf("%+v encodes to %x, %v; read from %x", got, again, err, input)
			}
		}
	})
}

// sizeReader notes the largest buffer that it is given, which is what the
// decoder allocated.
type sizeReader struct {
	r       io.Reader
	largest int
}

func (s *sizeReader) Read(p []byte) (int, error) {
	s.largest = max(s.largest, len(p))
	return s.r.Read(p)
}

func TestHandshakeRefusals(t *testing.T) {
	t.Run("AcceptorRefusesAndBothSidesLearnWhy", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n2.identity.setAdmit(func(peer Hello, dialed bool) error {
			if dialed || peer != n1.identity.Self() {
				t.Errorf("asked about %+v, dialed %v", peer, dialed)
			}
			return errors.New("n1 lost its data: remove n1, then join under a new id")
		})
		_, err := n1.dial(context.Background(), n2.address(), "n2", PurposeRaft)
		mustFailWith(t, err, `node "n2" says: n1 lost its data: remove n1`, "dial node")
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%v is not ErrRefused", err)
		}
		n2.log.await(t, "level=WARN", "node=n1", "n1 lost its data")
		n1.log.await(t, "level=WARN", "node=n2", "n1 lost its data")
	})
	t.Run("DialerRefusesTheAnswer", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n1.identity.setAdmit(func(peer Hello, dialed bool) error {
			if !dialed || peer != n2.identity.Self() {
				t.Errorf("asked about %+v, dialed %v", peer, dialed)
			}
			return errors.New("n2 has another instance")
		})
		waiting := acceptOne(t, n2.Node())
		_, err := n1.dial(context.Background(), n2.address(), "n2", PurposeNode)
		mustFailWith(t, err, "by this node", "n2 has another instance")
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%v is not ErrRefused", err)
		}
		n1.log.await(t, "level=WARN", "node=n2", "n2 has another instance")
		mustBeCut(t, mustAccept(t, waiting))
	})
	t.Run("RepeatedRefusalIsLoggedQuietly", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n2.identity.setAdmit(func(Hello, bool) error { return errors.New("go away") })
		for range 2 {
			n1.dial(context.Background(), n2.address(), "n2", PurposeRaft)
		}
		n2.log.await(t, "level=WARN", "go away")
		n2.log.await(t, "level=DEBUG", "go away")
	})
	t.Run("AcceptorIsNotTheWantedNode", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		_, err := n1.dial(context.Background(), n2.address(), "n3", PurposeRaft)
		mustFailWith(t, err, `this is node "n2" and not "n3"`, "--peers")
	})
	t.Run("ClustersDiffer", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n2.identity.self.ClusterID = "cluster-2"
		_, err := n1.dial(context.Background(), n2.address(), "n2", PurposeRaft)
		mustFailWith(t, err, `"cluster-1"`, `"cluster-2"`, "join it under a new id")
	})
	t.Run("ButAnUnknownClusterIsNoDifference", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n2.identity.self.ClusterID = ""
		mustConnect(t, n1, n2, PurposeRaft)
		mustConnect(t, n2, n1, PurposeRaft)
	})
	t.Run("PeerWithoutInstance", func(t *testing.T) {
		n1, n2 := newTestNode(t, "n1", nil), newTestNode(t, "n2", nil)
		n1.identity.self.InstanceID = ""
		_, err := n1.dial(context.Background(), n2.address(), "n2", PurposeRaft)
		mustFailWith(t, err, "without node id or instance id")
	})
}

// TestAcceptorRefusesByHand speaks the preface byte by byte.
func TestAcceptorRefusesByHand(t *testing.T) {
	node := newTestNode(t, "n2", nil)
	good := func(kind byte) []byte {
		b, err := frame{kind: kind, hello: Hello{NodeID: "n1", InstanceID: "i1"}, last: "n2"}.encode(prefaceMagic)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cases := []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"AFutureVersion", append(append([]byte("HFND\x07"), good(1)[5:]...), make([]byte, 20_000)...), "format 1, the other one format 7"},
		{"AnUnknownPurpose", good(9), "no purpose 9"},
		{"AWrongChecksum", append(good(1)[:len(good(1))-1], 0), "checksum"},
		{"OversizedLengths", []byte("HFND\x01\x01\xff\xff"), "the limit is 1800"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := dialTCP(t, node.address())
			mustWrite(t, conn, string(c.bytes))
			answer, err := readFrame(conn, answerMagic)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if answer.kind != statusRefused || answer.hello != node.identity.Self() || !strings.Contains(answer.last, c.want) {
				t.Fatalf("answer %+v, want a refusal with %q", answer, c.want)
			}
			// An end and no reset: a reset can overtake the answer.
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("%v after the answer, want EOF", err)
			}
			mustWrite(t, conn, "still read")
		})
	}
}

// TestDialerJudgesAnswers answers a real dialer byte by byte.
func TestDialerJudgesAnswers(t *testing.T) {
	ok := frame{kind: statusOK, hello: Hello{NodeID: "n2", InstanceID: "i2"}}
	encode := func(f frame) []byte {
		b, err := f.encode(answerMagic)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cases := []struct {
		name    string
		answer  []byte
		refused bool
		want    string
	}{
		{"SomebodyElse", encode(frame{kind: statusOK, hello: Hello{NodeID: "n3", InstanceID: "i3"}}), true, `wanted node "n2" but "n3" answered`},
		{"AnotherCluster", encode(frame{kind: statusOK, hello: Hello{ClusterID: "c9", NodeID: "n2", InstanceID: "i2"}}), true, `cluster "c9"`},
		{"AnUnknownStatus", encode(frame{kind: 7, hello: ok.hello}), true, "unknown status 7"},
		{"AnOlderVersion", append([]byte("HFNA\x00"), encode(ok)[5:]...), true, "format 1, the other one format 0"},
		{"NoNodeAtAll", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true, "not a holdfast node"},
		{"AnAnswerCutShort", encode(ok)[:12], false, "EOF"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inner := listenLoopback(t)
			go func() {
				conn, err := inner.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if _, err := readFrame(conn, prefaceMagic); err != nil {
					t.Error(err)
				}
				conn.Write(c.answer)
			}()
			node := newTestNode(t, "n1", nil)
			_, err := node.dial(context.Background(), inner.Addr().String(), "n2", PurposeRaft)
			mustFailWith(t, err, c.want)
			if errors.Is(err, ErrRefused) != c.refused {
				t.Errorf("ErrRefused is %v for %v", !c.refused, err)
			}
		})
	}
}
