package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports of nodes lie below the ranges that systems give to outgoing
// connections. A port from there could be taken while its node is down.
const (
	lowestPort  = 12_000
	highestPort = 30_000
)

// FreePorts finds a port that is free together with the ones that are at these
// distances from it. Another program may take one of them afterwards.
func FreePorts(distances ...int) (int, error) {
	for range 1000 {
		first := lowestPort + rand.IntN(highestPort-lowestPort)
		if allFree(first, distances) {
			return first, nil
		}
	}
	return 0, errNoPorts
}

func allFree(first int, distances []int) bool {
	for _, distance := range append([]int{0}, distances...) {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+distance)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

var errNoPorts = errors.New("too few free ports on the loopback address")

// freeAddrs finds loopback addresses that nothing listens on. They are held
// until all are found, so that they differ.
func freeAddrs(count int) ([]string, error) {
	var addrs []string
	for range 100 * count {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowestPort+rand.IntN(highestPort-lowestPort)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		defer l.Close()
		if addrs = append(addrs, addr); len(addrs) == count {
			return addrs, nil
		}
	}
	return nil, errNoPorts
}
