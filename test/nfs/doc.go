// Package nfs tests the lock of an output on a network file system: two nodes and an NFS server. "make nfs" unpacks
// the programs of Debian; the tests need root.
//
// Real are the server (NFS-Ganesha on a folder of this machine), both versions of the protocol (3 and 4.1), and the
// clients: each node is a User Mode Linux, a Linux kernel that runs as a process, with a host name, a boot id, a page
// cache and an NFS client of its own. The nodes reach the server through a bridge, so a test can cut one node off.
// fluxworker is the built program; its server is the stand-in (test/fakeollama).
//
// The tests run in namespaces of their own (network, mounts, processes). The machine's network and mounts stay as they
// are, and no process outlives the tests.
package nfs
