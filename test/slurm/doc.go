// Package slurm starts a real SLURM cluster for tests: munged, slurmctld and several slurmd ("nodes") on this machine,
// each node with fake GPUs. It takes about a second, needs root, and needs no systemd and no settings of the machine;
// "make slurm" installs the programs.
//
// Clusters of several tests run side by side: each has its own folder, ports and node names. A cluster ends with its
// test, also when the test program is killed: a small shell (janitor.sh) waits for the test's end of a pipe to close,
// ends every process that carries this cluster's mark, removes its cgroups and then its folder.
//
// What differs from a cluster of many machines: all nodes are this machine and its hostname, they claim more CPUs and
// memory than there are, jobs run as root, and no accounting daemon runs (no sacct, no QOS).
package slurm
