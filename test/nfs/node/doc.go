// Package node is the system of a test node: a virtual machine with a Linux kernel of its own (User Mode Linux). The
// package is the first process of the node. It mounts the share of an NFS server by the kernel's client, and starts
// programs that a test asks for, by net/rpc.
package node
