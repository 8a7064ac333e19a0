package ollama

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fluxworker/test/await"
)

// eachIsolation runs a test on servers of both kinds.
func eachIsolation(t *testing.T, test func(*testing.T, Isolation)) {
	for _, i := range []Isolation{IsolateNever, IsolateAlways} {
		t.Run("isolate "+string(i), func(t *testing.T) { test(t, i) })
	}
}

// needIsolation skips a test where Start has refused to isolate. In CI that must not go unnoticed.
func needIsolation(t testing.TB, i Isolation, err error) {
	t.Helper()
	switch {
	case err == nil:
	case i == IsolateAlways && os.Getenv("CI") != "true":
		t.Skipf("no isolation here: %v", err)
	default:
		t.Fatal(err)
	}
}

// processes lists a server's processes as seen from outside, the guard first and the server second, once there are so
// many.
func processes(t testing.TB, s *Server, want int) []int {
	t.Helper()
	return processesBelow(t, s.cmd.Process.Pid, want)
}

func processesBelow(t testing.TB, guard, want int) []int {
	t.Helper()
	var all []int
	await.Until(t, fmt.Sprintf("%d processes of a server", want), func() bool {
		all = append([]int{guard}, descendants(guard)...)
		return len(all) >= want
	})
	return all
}

// wantGone fails the test if processes are left, and kills them.
func wantGone(t testing.TB, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d of %v is left", pid, pids)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// wantGoneSoon is like wantGone, for processes without a parent that waits for them.
func wantGoneSoon(t testing.TB, pids []int) {
	t.Helper()
	await.Until(t, fmt.Sprintf("the end of %v", pids), func() bool { return !slices.ContainsFunc(pids, alive) })
}

// awaitStopped waits until each thread of a process has heeded a SIGSTOP.
func awaitStopped(t testing.TB, pid int) {
	t.Helper()
	await.Until(t, fmt.Sprintf("process %d to stop", pid), func() bool {
		threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(path string) bool {
			stat, _ := os.ReadFile(path)
			_, after, _ := strings.Cut(string(stat), ") ")
			return !strings.HasPrefix(after, "T")
		})
	})
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
