// Package architecture holds the house rules as tests: which package may import
// which, what the state machine must not contain, and that the documents point
// at things that exist. It has no code of its own.
package architecture
