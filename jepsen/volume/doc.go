// Package volume makes small file systems that can be filled up. They live in
// memory, need root on Linux, and are taken away again, also those of an
// earlier program that could not do so itself.
package volume
