package harness

import (
	"bytes"
	"os"
	"os/exec"
)

// StartFed starts the worker with the first n rows of the input on its standard input, and returns a function that gives it
// the others and the end. So a run on a real server has rows left, whatever the test does meanwhile and however fast the
// server is.
func (j *Job) StartFed(n int, more ...string) (cmd *exec.Cmd, rest func()) {
	j.T.Helper()
	data, err := os.ReadFile(j.Path("prompts.jsonl"))
	if err != nil {
		j.T.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	read, write, err := os.Pipe()
	if err != nil {
		j.T.Fatal(err)
	}
	j.T.Cleanup(func() { write.Close() })
	feed := func(lines [][]byte) {
		j.T.Helper()
		if _, err := write.Write(bytes.Join(lines, nil)); err != nil {
			j.T.Errorf("write the rows to the worker: %v", err)
		}
	}
	j.stdin = read
	cmd = j.Start(append(more, "--input", "-")...)
	j.stdin = nil
	read.Close()
	feed(lines[:n])
	return cmd, func() {
		j.T.Helper()
		feed(lines[n:])
		write.Close()
	}
}
