package ollama

import "testing"

func TestOld(t *testing.T) {
	for version, want := range map[string]bool{
		"0.17.4": true, "0.24.0": true, "0.30.0-rc1": true, "0.0.0": true, "unknown": true,
		"0.30.0": false, "0.34.3": false, "1.0.0": false,
	} {
		if got := OldGeneration(version); got != want {
			t.Errorf("%s: old is %t", version, got)
		}
	}
}
