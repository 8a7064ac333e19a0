package ollama

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
)

const (
	sampleBytes = 64 << 10
	samples     = 64
	headBytes   = 1 << 20
)

// sampleDigest returns a digest that distinguishes model files without reading them completely: the SHA-256 of the
// size, the first MiB, and 64 samples of 64 KiB between there and the end; the last sample ends at the end of the file.
// It takes the same time for 40 GB as for 40 MB. Files with different weights differ almost everywhere; the digest
// misses only a manual change of a few bytes.
//
// Ollama uses the name of a blob as its digest and does not compare the name with the contents when it loads a model
// (v0.17.4 to v0.34.3).
func sampleDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	size := info.Size()
	binary.Write(hash, binary.LittleEndian, size)
	add := func(offset, bytes int64) error {
		_, err := io.Copy(hash, io.NewSectionReader(file, offset, bytes))
		return err
	}
	if size <= headBytes+samples*sampleBytes {
		err = add(0, size)
		return hex.EncodeToString(hash.Sum(nil)), err
	}
	if err := add(0, headBytes); err != nil {
		return "", err
	}
	for i := range int64(samples) {
		last := size - sampleBytes
		if err := add(headBytes+(last-headBytes)*i/(samples-1), sampleBytes); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
