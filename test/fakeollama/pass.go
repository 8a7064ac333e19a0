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
// returns false when the context ends first. "" is no file.
func Pass(ctx context.Context, file string, n int) bool {
	for file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			break // the test has removed it
		}
		if most, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n <= most {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond): // a file gives no event
		case <-ctx.Done():
			return false
		}
	}
	return true
}
