package harness

import (
	"strings"
	"testing"

	"fluxworker/test/fakenvml"
	"fluxworker/test/fakeollama"
)

// standInCommand makes a suite's test program a stand-in server: "standin [flags] serve".
const standInCommand = "standin"

// UseStandIn gives the job a stand-in server with these flags (test/fakeollama). Record reads what the server saw.
func (j *Job) UseStandIn(flags ...string) {
	j.T.Helper()
	command := append([]string{j.copyIn(self(j.T)), standInCommand, "--max-life", "30m", "--record", j.Path("record.json"), "--pass", j.passFile()}, flags...)
	j.Args = append(j.Args, "--ollama", strings.Join(command, " "), "--ollama-models", j.Dir)
}

// Record reads what the last stand-in server of the job saw.
func (j *Job) Record() fakeollama.Record {
	j.T.Helper()
	record, err := fakeollama.ReadRecord(j.Path("record.json"))
	if err != nil {
		j.T.Fatal(err)
	}
	return record
}

// EachIsolation runs a test on a server in namespaces of its own, and on a server that only its guard holds.
func EachIsolation(t *testing.T, test func(t *testing.T, isolate string)) {
	for _, isolate := range []string{"auto", "never"} {
		t.Run("isolate "+isolate, func(t *testing.T) { test(t, isolate) })
	}
}

// UseNVML makes the job see the GPUs of a table, by the probe in the program and a library that is really loaded. It returns
// the table's file. driver is a folder of fakenvml.
func (j *Job) UseNVML(driver, table string) string {
	j.T.Helper()
	env, path := fakenvml.Env(j.T, driver, table)
	j.Env = append(j.Env, env[len(env)-2:]...)
	j.Args = append(j.Args, "--device", "auto")
	return path
}
