package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// work registers a process of a kind.
func (d *desk) work(id, kind string) {
	d.t.Helper()
	_, err := d.RegisterProcess(d.t.Context(), registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable,
		Input: registry.ProcessInput{Kind: registry.InputExternal}, Identity: registry.ProcessIdentity{Kind: kind},
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// next runs lease next and returns the leased processes.
func (d *desk) next(more ...string) []registry.ClaimedProcess {
	d.t.Helper()
	args := append([]string{"lease", "next", "--owner", "me", "--output", "json"}, more...)
	return decode[[]registry.ClaimedProcess](d.t, d.must(args...))
}

func TestLeaseNext(t *testing.T) {
	t.Run("it takes the oldest, as many as asked for, for half a minute", func(t *testing.T) {
		d := newDesk(t)
		for _, id := range []string{"z", "b", "a"} {
			d.work(id, "email")
			d.nowMs++
		}
		first := d.next()
		if len(first) != 1 || first[0].Record.ID != "z" || first[0].Attempt != 1 || first[0].Lease.Owner.OwnerID != "me" || first[0].Lease.ExpiresAtMs != d.nowMs+30_000 {
			t.Errorf("the first: %+v", first)
		}
		if rest := d.next("--limit", "9", "--ttl", "1m"); len(rest) != 2 || rest[0].Record.ID != "b" || rest[1].Record.ID != "a" || rest[1].Lease.ExpiresAtMs != d.nowMs+60_000 {
			t.Errorf("the rest: %+v", rest)
		}
		if text := d.must("lease", "next", "--owner", "me", "--output", "json"); text != "[]\n" {
			t.Errorf("nothing is %q", text)
		}
		if text := d.must("lease", "next", "--owner", "me"); text != "nothing is ready\n" {
			t.Errorf("nothing reads %q", text)
		}
	})
	t.Run("it takes the kinds that are named", func(t *testing.T) {
		d := newDesk(t)
		for _, kind := range []string{"email", "fax", "letter"} {
			d.work("1 "+kind, kind)
		}
		got := d.next("--kind", "letter", "--kind", "email", "--limit", "5")
		if len(got) != 2 || got[0].Record.ID != "1 email" || got[1].Record.ID != "1 letter" {
			t.Errorf("leased: %+v", got)
		}
	})
	t.Run("text shows each lease with kind and attempt", func(t *testing.T) {
		d := newDesk(t)
		d.work("p", "email")
		d.work("q", "email")
		text := d.must("lease", "next", "--owner", "me", "--limit", "2")
		if strings.Count(text, "kind           email\nattempt        1\n") != 2 || !strings.Contains(text, "\n\nprocess        q\n") {
			t.Errorf("text:\n%s", text)
		}
	})
	t.Run("the timeout counts on top of the wait", func(t *testing.T) {
		d := newDesk(t)
		begun := time.Now()
		if got := d.next("--wait", "200ms", "--timeout", "100ms"); len(got) != 0 || time.Since(begun) < 200*time.Millisecond {
			t.Errorf("after %v: %+v", time.Since(begun), got)
		}
	})
	t.Run("what is registered meanwhile ends the wait", func(t *testing.T) {
		d := newDesk(t)
		leased := make(chan string)
		go func() { leased <- d.run("lease", "next", "--owner", "me", "--wait", "1m", "--output", "json").stdout }()
		d.work("p", "email")
		if got := decode[[]registry.ClaimedProcess](t, <-leased); len(got) != 1 || got[0].Record.ID != "p" {
			t.Errorf("leased: %+v", got)
		}
	})
}

func TestReleaseForRetry(t *testing.T) {
	d := newDesk(t)
	d.work("p", "email")
	lease := d.next()[0].Lease
	release := []string{"lease", "release", "p", "--lease-token", lease.LeaseToken, "--retry-after", "5m"}
	if text := d.must(append(release, "--output", "json")...); text != `{"process_id":"p","lease_token":"`+lease.LeaseToken+`","retry_after_ms":300000}`+"\n" {
		t.Errorf("release: %s", text)
	}
	d.nowMs += 1_000
	if got := d.next(); len(got) != 0 {
		t.Errorf("handed out in spite of the delay: %+v", got)
	}
	// Of lease time an entry adds two seconds at most, so it takes some.
	for range 200 {
		d.nowMs += 2_000
		d.work(number(d.nowMs), "other")
	}
	got := d.next("--kind", "email")
	if len(got) != 1 || got[0].Attempt != 2 || got[0].Lease.FencingToken <= lease.FencingToken {
		t.Fatalf("after the delay: %+v", got)
	}
	text := d.must("lease", "release", "p", "--lease-token", got[0].Lease.LeaseToken, "--retry-after", "90s")
	if text != "no lease of p has this token any more\nif it was the current one, lease next leaves the process alone for 1m30s\n" {
		t.Errorf("text %q", text)
	}
}
