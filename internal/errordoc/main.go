// Command errordoc writes docs/errors.md out of the catalogue of errors. It runs
// by go generate in the folder of package registry.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

func main() {
	if err := os.WriteFile("../docs/errors.md", []byte(document()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const introduction = `# Errors

<!-- Generated from the table in registry/errors.go by "go generate ./registry": change it there. -->

Every error of a registry has one of these codes. Numbers, names and fields are API; texts are for people, and may change.
In Go an error is a ` + "`*registry.Error`" + `: match its code with ` + "`errors.Is(err, registry.ErrFenced)`" + `, and read its fields with
` + "`errors.As`" + `. Over gRPC it is the one detail ` + "`holdfast.v1.ErrorDetail`" + ` of the status; the status code is only the nearest that gRPC
has. The commands write it to stderr, with ` + "`--output json`" + ` as an object with ` + "`code`, `message`, `definite`" + ` and the fields.

*Definite* means that a write which got the error did not happen. An error of a definite code can still say that it is not, when
an earlier attempt of the same write had been sent: go by the error, not by its code. A code that is not listed here comes from
a later version, and is not definite.

What each call can answer is in the [contract](spec.md#5-the-31-methods), and in the comments of ` + "`registry.Registry`" + `.

| No. | Code | Definite | gRPC status |
|---:|---|---|---|
`

// document is the text of docs/errors.md.
func document() string {
	var text strings.Builder
	text.WriteString(introduction)
	for _, info := range registry.Codes() {
		fmt.Fprintf(&text, "| %d | [`%s`](#%s) | %s | `%s` |\n", info.Code, info.Name, strings.ToLower(info.Name), definite(info), wire.GRPCCode(info.Code))
	}
	for _, info := range registry.Codes() {
		fmt.Fprintf(&text, "\n## %s\n\nCode %d %s\n\n", info.Name, info.Code, info.Meaning)
		fmt.Fprintf(&text, "* What to do: %s\n* Fields: %s\n* Outcome: %s\n", info.Remedy, fields(info), outcome(info))
	}
	return text.String()
}

func definite(info registry.CodeInfo) string {
	if info.Definite {
		return "yes"
	}
	return "**no**"
}

func outcome(info registry.CodeInfo) string {
	if info.Definite {
		return "definite, a write did not happen."
	}
	return "unknown, a write may have happened."
}

func fields(info registry.CodeInfo) string {
	if info.Fields == "" {
		return "none."
	}
	return "`" + strings.ReplaceAll(info.Fields, ", ", "`, `") + "`."
}
