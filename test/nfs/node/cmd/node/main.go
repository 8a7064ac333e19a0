// Command node is the first process of a test node; see package node.
package main

import (
	"fmt"
	"os"

	"fluxworker/test/nfs/node"
)

func main() {
	fmt.Fprintln(os.Stderr, "node:", node.Main())
	os.Exit(1)
}
