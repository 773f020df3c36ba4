package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/registry"
)

// The facts that are attached to a process while it lives: what it waits for,
// who wants it given up, and what it is called elsewhere.

func (a *app) processWait() *cobra.Command {
	return noun("wait", "Say what a process waits for",
		`A process can show that it waits for a signal. It keeps running by its status, and
no event is written.`,
		"  holdfast process wait set hello --signal approve --ordinal 1\n  holdfast process wait clear hello",
		a.waitSet(), a.waitClear())
}

func (a *app) waitSet() *cobra.Command {
	wait := registry.WaitState{Kind: registry.WaitSignal}
	cmd := &cobra.Command{
		Use:   "set ID --signal NAME --ordinal NUMBER",
		Short: "Store what a process waits for",
		Long: `Stores that a process waits for a signal, in place of any earlier wait, and shows
its record. Event type and key follow from the signal and the ordinal unless they
are given.`,
		Example: `  holdfast process wait set hello --signal approve --ordinal 1
  holdfast process wait set hello --signal approve --ordinal 2 --lease-token 5f0c --fencing-token 7`,
		Args: one("process id"),
	}
	flags := cmd.Flags()
	flags.StringVar(&wait.Name, "signal", "", "the `name` of the signal")
	flags.Uint64Var(&wait.Ordinal, "ordinal", 0, "which signal of this name, a `number` from 1")
	flags.StringVar(&wait.EventType, "event-type", "", "the `type` of the event that ends the wait (default signal.NAME)")
	flags.StringVar(&wait.Key, "key", "", "the wait's `key` (default process:ID:signal.NAME:NUMBER)")
	flags.Uint64Var(&wait.SinceMs, "since-ms", 0, "since when it waits, in epoch `milliseconds` (default now)")
	require(cmd, "signal", "ordinal")
	fence := bindFence(cmd)
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		if !flags.Changed("event-type") {
			wait.EventType = "signal." + wait.Name
		}
		if !flags.Changed("key") {
			wait.Key = fmt.Sprintf("process:%s:signal.%s:%d", args[0], wait.Name, wait.Ordinal)
		}
		if !flags.Changed("since-ms") {
			wait.SinceMs = uint64(time.Now().UnixMilli())
		}
		record, err := s.SetProcessWait(ctx, args[0], wait, fence.fence(cmd))
		if err != nil {
			return err
		}
		return a.showRecord(record)
	})
	return cmd
}

func (a *app) waitClear() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clear ID",
		Short: "Remove what a process waits for",
		Long: `Removes the wait of a process, and shows its record. A process that does not wait,
or has ended, is no error; its time of update moves all the same.`,
		Example: "  holdfast process wait clear hello\n  holdfast process wait clear hello --lease-token 5f0c --fencing-token 7",
		Args:    one("process id"),
	}
	fence := bindFence(cmd)
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		record, err := s.ClearProcessWait(ctx, args[0], fence.fence(cmd))
		if err != nil {
			return err
		}
		return a.showRecord(record)
	})
	return cmd
}

func (a *app) processAbandonRequest() *cobra.Command {
	var request registry.AbandonRequest
	var reason string
	cmd := &cobra.Command{
		Use:   "abandon-request ID --by WHO",
		Short: "Ask that a process be given up",
		Long: `Stores that somebody wants a process given up, and shows its record. Whoever runs
or recovers the process acts on it; the status does not change by it. Only the
first request is stored. To ask a process to stop by itself, see process cancel.`,
		Example: "  holdfast process abandon-request hello --by operator --reason 'its host is gone'",
		Args:    one("process id"),
	}
	cmd.Flags().StringVar(&request.RequestedBy, "by", "", "`who` asks")
	cmd.Flags().StringVar(&reason, "reason", "", "why, a `text`")
	cmd.Flags().Uint64Var(&request.RequestedAtMs, "at-ms", 0, "when it was asked for, in epoch `milliseconds` (default now)")
	require(cmd, "by")
	fence := bindFence(cmd)
	cmd.RunE = a.calls(func(ctx context.Context, s server, args []string) error {
		request.Reason = optional(cmd, "reason", reason)
		if !cmd.Flags().Changed("at-ms") {
			request.RequestedAtMs = uint64(time.Now().UnixMilli())
		}
		record, err := s.RequestProcessAbandon(ctx, args[0], request, fence.fence(cmd))
		if err != nil {
			return err
		}
		return a.showRecord(record)
	})
	return cmd
}

func (a *app) processExternalRef() *cobra.Command {
	var ref registry.ProcessExternalRef
	var metadata string
	cmd := &cobra.Command{
		Use:   "external-ref ID --backend NAME --ref REF",
		Short: "Say what a process is called elsewhere",
		Long: `Attaches the reference under which another backend knows a process, and shows its
record. The same again changes nothing; another reference is refused.

The metadata may also be given as @file, or as - for stdin.`,
		Example: `  holdfast process external-ref hello --backend restate --ref Workflow/hello
  holdfast process external-ref hello --backend restate --ref Workflow/hello --metadata '{"invocation_id":"i-1"}'`,
		Args: one("process id"),
	}
	cmd.Flags().StringVar(&ref.Backend, "backend", "", "the `name` of the backend")
	cmd.Flags().StringVar(&ref.ID, "ref", "", "the process's `id` there")
	cmd.Flags().StringVar(&metadata, "metadata", "", "what else is to be kept with it, as `JSON`")
	require(cmd, "backend", "ref")
	fence := bindFence(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("metadata") {
			var err error
			if ref.Metadata, err = a.readJSON("--metadata", metadata); err != nil {
				return err
			}
		}
		return a.calls(func(ctx context.Context, s server, args []string) error {
			record, err := s.SetExternalRef(ctx, args[0], ref, fence.fence(cmd))
			if err != nil {
				return err
			}
			return a.showRecord(record)
		})(cmd, args)
	}
	return cmd
}
