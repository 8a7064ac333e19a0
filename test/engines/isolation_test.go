package engines

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/harness"
)

// Root or not, a run keeps its server to itself where it can, and nothing of it outlives a killed worker or guard.
func TestIsolation(t *testing.T) {
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
