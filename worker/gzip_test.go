package worker

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// writeTornGzip writes a compressed input without its second half.
func writeTornGzip(t *testing.T, path string) {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	random := rand.New(rand.NewPCG(1, 2)) // what compresses badly stays long
	for i := range 2000 {
		fmt.Fprintf(w, `{"custom_id":"%d","prompt":"%x x"}`+"\n", i, random.Uint64())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes()[:b.Len()/2], 0o600); err != nil {
		t.Fatal(err)
	}
}
