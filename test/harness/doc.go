// Package harness runs the built fluxworker in a folder of its own, as a user would, and looks at what it leaves: exit code,
// results, records, processes. The suites that test the program as a whole share it: test/standin (a stand-in server),
// test/engines (real Ollamas of both generations) and test/cluster (jobs of a real SLURM).
//
// A suite's TestMain calls Main, so that its test program can also be the stand-in server and the front, a proxy before a
// real server.
package harness
