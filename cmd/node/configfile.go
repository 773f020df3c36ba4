package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// source is where a setting came from.
type source struct {
	// kind is one of the sources below.
	kind string
	// where is the flag, the variable, or the file and line.
	where string
}

const (
	sourceFlag    = "flag"
	sourceEnv     = "environment"
	sourceFile    = "file"
	sourceDefault = "default"
)

// The types of flags, as pflag calls them, that the file knows to read.
const (
	kindText     = "string"
	kindBool     = "bool"
	kindDuration = "duration"
	kindNumber   = "uint64"
	kindBytes    = "bytes"
)

// maxConfigBytes bounds a configuration file.
const maxConfigBytes = 1 << 20

// fileAnnotation marks the flags that can come from the configuration file.
const fileAnnotation = "holdfast_file"

// fromFile lets flags be given in the configuration file too, as keys of their
// names.
func fromFile(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		annotate(flags.Lookup(name), fileAnnotation, name)
	}
}

// applyFile sets the flags that were given neither themselves nor as variables
// from the file of --config. Commands without that flag have no file.
func (a *app) applyFile(flags *pflag.FlagSet) error {
	config := flags.Lookup("config")
	if config == nil || config.Value.String() == "" {
		return nil
	}
	file := configFile{name: config.Value.String(), flags: flags}
	if err := file.read(); err != nil {
		return err
	}
	for _, value := range file.values {
		flag := flags.Lookup(value.key)
		if flag.Changed {
			continue
		}
		if err := flags.Set(value.key, value.text); err != nil {
			return file.refuse(value.line, value.key, "%v", err)
		}
		a.sources[value.key] = source{sourceFile, file.name + ":" + strconv.Itoa(value.line)}
	}
	return nil
}

// blame names the variable or the line of the file in a refusal of a setting
// that did not come from its flag.
func (a *app) blame(err error) error {
	var usage *usageError
	if !errors.As(err, &usage) {
		return err
	}
	name, isFlag := strings.CutPrefix(usage.err.Fields.Field, "--")
	from, ok := a.sources[name]
	if !isFlag || !ok {
		return err
	}
	blamed := *usage.err
	blamed.Message = from.where + ": " + usage.err.Message
	if from.kind == sourceFile {
		blamed.Message = from.where + ": key " + name + ": " + usage.err.Message
	}
	return &usageError{&blamed}
}

// configFile is a configuration file while it is read: one mapping of the
// settings' names to their values.
type configFile struct {
	name   string
	flags  *pflag.FlagSet
	values []fileValue
}

type fileValue struct {
	key, text string
	line      int
}

// refuse names the file, the line and the key.
func (c *configFile) refuse(line int, key, format string, args ...any) error {
	where := c.name
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	if key != "" {
		where += ": key " + key
	}
	return wrongUsage(key, "%s: %s", where, fmt.Sprintf(format, args...))
}

func (c *configFile) read() error {
	f, err := os.Open(c.name)
	if err != nil {
		return wrongUsage("--config", "--config: %v", err)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return wrongUsage("--config", "--config: %v", err)
	}
	if len(content) > maxConfigBytes {
		return c.refuse(0, "", "it has more than %d bytes", maxConfigBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return c.refuse(0, "", "it is empty; %s", c.allowedKeys())
	case err != nil:
		return c.refuse(0, "", "it is not YAML: %v", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return c.refuse(0, "", "it holds more than one document: one is allowed")
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return c.refuse(root.Line, "", "it must be a mapping, such as `id: n1`; %s", c.allowedKeys())
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if err := c.take(root.Content[i], root.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// take checks one key and its value.
func (c *configFile) take(key, value *yaml.Node) error {
	flag := c.flags.Lookup(key.Value)
	if key.Kind != yaml.ScalarNode || flag == nil || len(flag.Annotations[fileAnnotation]) == 0 {
		return c.refuse(key.Line, key.Value, "there is no such key; %s", c.allowedKeys())
	}
	for _, earlier := range c.values {
		if earlier.key == key.Value {
			return c.refuse(key.Line, key.Value, "it is in line %d already", earlier.line)
		}
	}
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	text, err := value.Value, error(nil)
	if key.Value == "peers" && value.Kind == yaml.MappingNode {
		text, err = c.peers(value)
	} else {
		err = c.check(flag, value)
	}
	if err != nil {
		return err
	}
	c.values = append(c.values, fileValue{key: key.Value, text: text, line: key.Line})
	return nil
}

// peers turns a mapping of ids to addresses into the text of --peers.
func (c *configFile) peers(value *yaml.Node) (string, error) {
	var peers []string
	for i := 0; i+1 < len(value.Content); i += 2 {
		id, addr := value.Content[i], value.Content[i+1]
		if id.Kind != yaml.ScalarNode || addr.Kind != yaml.ScalarNode || addr.Tag == "!!null" {
			return "", c.refuse(id.Line, "peers", "each entry is an id and an address, such as `n1: 10.0.0.1:7400`")
		}
		peers = append(peers, id.Value+"="+addr.Value)
	}
	return strings.Join(peers, ","), nil
}

// check tells whether a value has the type of its flag.
func (c *configFile) check(flag *pflag.Flag, value *yaml.Node) error {
	kind := flag.Value.Type()
	allowed := map[string]string{
		kindText: "a text", kindBool: "true or false", kindDuration: "a duration such as 500ms or 2s",
		kindNumber: "a whole number", kindBytes: "a number of bytes such as 268435456 or 256MiB",
	}[kind]
	if flag.Name == "peers" {
		allowed = "a mapping of ids to addresses, such as {n1: 10.0.0.1:7400}, or a text of the form of --peers"
	}
	shown := value.Value
	if value.Kind != yaml.ScalarNode {
		shown = map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}[value.Kind]
	}
	valid := false
	switch {
	case value.Kind != yaml.ScalarNode:
	case value.Tag == "!!null":
		shown = "nothing"
	case kind == kindText:
		if valid = value.Tag == "!!str"; !valid {
			allowed += "; put it in quotes"
		}
	case kind == kindBool:
		valid = value.Tag == "!!bool"
	case kind == kindDuration:
		_, err := time.ParseDuration(value.Value)
		valid = err == nil && value.Tag == "!!str"
	case kind == kindNumber:
		_, err := strconv.ParseUint(value.Value, 10, 64)
		valid = err == nil && value.Tag == "!!int"
	case kind == kindBytes:
		valid = new(byteSize).Set(value.Value) == nil
	}
	if valid {
		return nil
	}
	return c.refuse(value.Line, flag.Name, "%s is not %s", shown, allowed)
}

func (c *configFile) allowedKeys() string {
	var keys []string
	c.flags.VisitAll(func(flag *pflag.Flag) {
		if len(flag.Annotations[fileAnnotation]) > 0 {
			keys = append(keys, flag.Name)
		}
	})
	slices.Sort(keys)
	return "the keys are " + strings.Join(keys, ", ")
}
