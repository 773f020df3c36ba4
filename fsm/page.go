package fsm

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/holdfast-registry/holdfast/registry"
)

// The lists that page tokens belong to. The number is part of the token, so
// that a token of one list is refused by another.
const (
	listProcesses        byte = 1
	listEvents           byte = 2
	listRecentEvents     byte = 3
	listWakeEvents       byte = 4
	listHandleGrants     byte = 5
	listLiveHandleGrants byte = 6
	listProcessGrants    byte = 7
)

// pageTokenFormat is the first byte of a token.
const pageTokenFormat = 1

// pager fills one page up to its bounds. Spec A15.
type pager[T any] struct {
	page     registry.Page[T]
	list     byte
	size     int
	bytes    int
	examined int
	// after is the cursor behind which the page begins: the last one examined
	// on the page before, "" at the start.
	after string
	last  string
}

func newPager[T any](request registry.PageRequest, list byte) (*pager[T], error) {
	p := &pager[T]{list: list, size: request.Size}
	if p.size <= 0 {
		p.size = registry.DefaultPageSize
	}
	p.size = min(p.size, registry.MaxPageSize)
	if request.Token == "" {
		return p, nil
	}
	token, err := base64.RawURLEncoding.DecodeString(request.Token)
	if err != nil || len(token) < 2 || token[0] != pageTokenFormat || token[1] != list {
		return p, errForeignToken()
	}
	p.after = string(token[2:])
	p.last = p.after
	return p, nil
}

// more tells whether the row at a cursor still belongs to this page. If not,
// the page is ended and says where the next one goes on.
func (p *pager[T]) more(cursor string) bool {
	if len(p.page.Items) >= p.size || p.bytes >= registry.MaxPageBytes || p.examined >= registry.MaxPageExamined {
		token := append([]byte{pageTokenFormat, p.list}, p.last...)
		p.page.NextToken = base64.RawURLEncoding.EncodeToString(token)
		return false
	}
	p.examined++
	p.last = cursor
	return true
}

// add puts a row of about so many bytes on the page.
func (p *pager[T]) add(item T, bytes int) {
	p.page.Items = append(p.page.Items, item)
	p.bytes += bytes
}

// eventCursor is the place of an event in a life of its process, and the last
// sequence that belongs to the list.
func eventCursor(life, sequence, end uint64) string {
	var cursor [24]byte
	binary.BigEndian.PutUint64(cursor[:], life)
	binary.BigEndian.PutUint64(cursor[8:], sequence)
	binary.BigEndian.PutUint64(cursor[16:], end)
	return string(cursor[:])
}

func parseEventCursor(cursor string) (life, sequence, end uint64, err error) {
	if len(cursor) != 24 {
		return 0, 0, 0, errForeignToken()
	}
	b := []byte(cursor)
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), nil
}

// errForeignToken is the refusal of a token that its list did not make.
func errForeignToken() error {
	return registry.Errorf(registry.CodeInvalidArgument, registry.Fields{Field: "page.token"},
		"the page token is not one of this list: use the one of the page before, or none to start")
}
