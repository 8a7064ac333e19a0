// Package lease gives a folder to one process at a time, over all the nodes that share it: the folder of an output to the
// run that writes there, the folder of the models to the one that pulls.
//
// File locks would be simpler, but many Lustre and NFS mounts have none, or none that other nodes see. So a lease is a
// file that only one process can have created. Invariants:
//
//   - Each lock has a number above all before it, and the highest number holds. Whoever takes a lease over creates the next
//     one, which the file system lets only one process do. So nobody who was slow can take away a lock that is not the one
//     he found stale, and a holder that comes back from the dead finds a higher number than his own. A lock that is given
//     free stays, marked so, to keep the count.
//   - Whether a holder lives is told by its heartbeat, seen to change or not for a while. Clocks are not compared: those of
//     two nodes may differ by more than that.
//   - A holder's death costs the others the stale time at most, and nothing where it is certain at once.
package lease
