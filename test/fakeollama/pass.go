package fakeollama

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// Hold holds request number n of a server, from 1, while the file exists and contains a number below n. It lets a test
// keep a run in the middle of its rows, on a machine of any speed, until the test has done its work there. Hold returns
// false if the context ends first. The file "" holds nothing. The file with the suffix ".held" grows by one byte for
// each held request, so a test can wait for a number of them.
func Hold(ctx context.Context, file string, n int) bool {
	for held := false; file != ""; {
		text, err := os.ReadFile(file)
		if err != nil {
			break // the test has removed the file
		}
		if limit, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n <= limit {
			break
		}
		if !held {
			held = true
			countHeld(file + ".held")
		}
		select {
		case <-time.After(5 * time.Millisecond): // polling: a file gives no event
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// countHeld appends a byte to the file. If the file cannot be written, the test that waits for the byte fails at its
// own deadline.
func countHeld(file string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	f.Write([]byte{'.'})
}
