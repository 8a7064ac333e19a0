// Package lease gives a folder to one process at a time, across all nodes that share the folder: an output folder to
// the run that writes it, the model folder to the process that pulls.
//
// File locks would be simpler, but many Lustre and NFS mounts do not support them, or not across nodes. So a lease is a
// file that only one process can have created. Invariants:
//
//   - Each lock has a higher number than all earlier locks, and the highest number is the valid one. A process takes
//     over a lease by creating the next lock, and the file system lets only one process do so. So a slow process cannot
//     remove a newer lock than the stale one that it saw, and a holder that resumes after a stop finds a higher number
//     than its own. A released lock stays, marked as released, to keep the count.
//   - A heartbeat in the lock shows that its holder is alive: other processes watch for a change of the file during a
//     time. They never compare clocks, because the clocks of two nodes may differ by more than that time.
//   - The death of a holder costs others the stale time at most, and nothing if the death is certain at once.
package lease
