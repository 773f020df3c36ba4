package main

import (
	"time"

	"github.com/holdfast-registry/holdfast/client"
)

// dialClient opens a client for one command. It gives up trying when the
// command's time is over anyway.
func dialClient(addrs []string, timeout time.Duration) (server, error) {
	return client.Dial(addrs, client.WithRetryTimeout(timeout))
}
