package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
)

// ttl is that of the leases: short, so that the story is.
const ttl = 2 * time.Second

// lateWorker is worker a, in a process of its own. It looks at its lease before
// it writes, as it should, and is suspended between the look and the write,
// which nobody can rule out. Every line on stdin lets it write once more.
func lateWorker(ctx context.Context, c *client.Client, storeURL, process string) error {
	lease, err := c.Claim(ctx, process, client.LocalOwner("worker-a"), ttl)
	if err != nil {
		return err
	}
	defer lease.Release(ctx)
	token := lease.Fence().FencingToken
	say("worker a", "has %s under fencing token %d", process, token)
	if err := put(ctx, storeURL, process, "draft of a", token); err != nil {
		return err
	}
	if err := lease.Err(); err != nil {
		return err
	}
	say("worker a", "holds its lease, and is about to write")

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := put(ctx, storeURL, process, "late words of a", token); err == nil {
			return fmt.Errorf("worker a: the store took a late write under fencing token %d", token)
		}
		say("worker a", "was refused; its lease: %v", lease.Err())
	}
	return nil
}

// put writes a text to the store.
func put(ctx context.Context, storeURL, process, content string, token uint64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, storeURL+"/"+process, strings.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set(tokenHeader, strconv.FormatUint(token, 10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the store answers %s", response.Status)
	}
	return nil
}
