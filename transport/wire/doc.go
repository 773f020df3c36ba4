// Package wire turns the types of package registry into their protobuf form
// and back, and errors into gRPC statuses and back. The server and the Go
// client share it, so that what one writes the other reads.
//
// The conversions are transparent: they carry every field whatever its kind,
// check no rule of the registry and keep JSON as the bytes that it is. Only
// what has no Go form is refused: an enum number that is not known and a
// required sub-message that is missing give InvalidArgument naming the field.
// The number 0 of an enum becomes the empty text, which the registry's own
// rules accept or refuse.
//
// Converted messages share strings and bytes with what they came from; neither
// may be changed afterwards.
package wire
