//go:build !linux

package network

import "errors"

// Namespaces are there on Linux only.
type Namespaces struct{ Proxy }

// NewNamespaces fails.
func NewNamespaces() (*Namespaces, error) {
	return nil, errors.New("network namespaces are there on Linux only: use the proxy")
}

// Place is never called.
func (*Namespaces) Place(string) (string, []string, error) { return "", nil, nil }
