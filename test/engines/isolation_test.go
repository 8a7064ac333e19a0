package engines

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/harness"
)

// Root or not, a run keeps its server to itself where it can, and nothing of it outlives a killed worker or guard.
func TestIsolation(t *testing.T) {
	t.Parallel()
	const rows = 100
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		for _, u := range harness.Users() {
			t.Run(u.Name, func(t *testing.T) {
				harness.EachIsolation(t, func(t *testing.T, isolate string) {
					j := harness.New(t, "--isolate", isolate)
					j.RunAs(u)
					j.UseEngine(g)
					j.WriteRows(rows)
					j.Own()
					cmd, _ := j.StartFed(rows / 2)
					j.AwaitAnswers(10)
					isolated := j.Manifest().Plan.Servers[0].Isolated
					if isolate == "never" && isolated || isolate == "auto" && !isolated && os.Getenv("CI") == "true" {
						t.Errorf("isolated is %t", isolated)
					}
					log, err := os.ReadFile(j.Path("results.run/server.log"))
					address := listening.FindSubmatch(log)
					if err != nil || address == nil {
						t.Fatalf("the server's log names no address (%v)", err)
					}
					conn, err := net.DialTimeout("tcp", string(address[1]), time.Minute)
					if err == nil {
						conn.Close()
					}
					if refused := errors.Is(err, syscall.ECONNREFUSED); refused != isolated {
						t.Errorf("from outside the port says %v; isolated: %t", err, isolated)
					}
					j.Kill(cmd)

					j.HitInTheMiddle(syscall.SIGKILL, j.GuardPID, 0)
					j.CheckRows(rows)
					j.CheckOwned("results.jsonl")
				})
			})
		}
	})
}

// A server that namespaces keep from its GPU, or from starting at all, is started once more without them, and that is told.
func TestSecondStartWithoutNamespaces(t *testing.T) {
	t.Parallel()
	const again = "starting it once more without them"
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		t.Run("no GPU", func(t *testing.T) {
			j := g.NewJob(t)
			j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_GPU="+harness.NetworkNamespace())
			j.WriteRows(20)
			j.Run(0)
			j.CheckRows(20)
			if s := j.Manifest().Plan.Servers[0]; s.Isolated || !strings.Contains(j.Stderr.String(), again) {
				t.Errorf("isolated: %t, want a second start that is told", s.Isolated)
			}
		})
		t.Run("no GPU anywhere", func(t *testing.T) {
			j := g.NewJob(t)
			j.UseGPUs(g, harness.GPUs(1, ""), "FRONT_GPU=")
			j.WriteRows(1)
			j.Run(80)
			if !strings.Contains(j.Stderr.String(), "Ollama needs its CUDA libraries beside it") {
				t.Error("the message does not say what Ollama lacks")
			}
		})
		t.Run("no start", func(t *testing.T) {
			j := g.NewJob(t)
			script := "#!/bin/sh\n[ \"$(readlink /proc/self/ns/net)\" = '" + harness.NetworkNamespace() + "' ] || exit 255\nexec '" + g.Ollama + "' \"$@\"\n"
			if err := os.WriteFile(j.Path("container"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			j.WriteRows(20)
			j.Run(0, "--ollama", j.Path("container"))
			j.CheckRows(20)
			if n := strings.Count(j.Stderr.String(), again); n != 2 { // the server that is asked about the model, and that of the rows
				t.Errorf("%d second starts are told, want 2", n)
			}
			j.Run(82, "--ollama", j.Path("container"), "--isolate", "always", "--output", "other.jsonl")
		})
	})
}
