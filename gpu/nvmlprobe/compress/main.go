// Command compress writes FILE.zst, which fluxworker embeds: the probe takes a third of its size there.
package main

import (
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compress FILE")
		os.Exit(2)
	}
	if err := compress(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "compress:", err)
		os.Exit(1)
	}
}

func compress(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	draft := fmt.Sprintf("%s.zst-%d", path, os.Getpid()) // tests of several packages build at the same time
	if err := os.WriteFile(draft, w.EncodeAll(data, nil), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, path+".zst")
}
