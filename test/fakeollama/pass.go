package fakeollama

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// Pass holds back request number n of a server, counted from 1, while the file is there and says a number below n. With it a
// test keeps a run in the middle of its rows, however fast the machine is, until it has done what it wants to do there. Pass
// returns false when the context ends first. "" is no file. The file with ".held" at the end of its name grows by a byte for
// each request that Pass holds back, so a test can wait for a number of them.
func Pass(ctx context.Context, file string, n int) bool {
	for held := false; file != ""; {
		text, err := os.ReadFile(file)
		if err != nil {
			break // the test has removed it
		}
		if most, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n <= most {
			break
		}
		if !held {
			held = true
			countHeld(file + ".held")
		}
		select {
		case <-time.After(5 * time.Millisecond): // a file gives no event
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// countHeld adds a byte to the file. A test that waits for the byte fails by its own deadline where the file cannot be written.
func countHeld(file string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	f.Write([]byte{'.'})
}
