package main

import (
	"os"
	"strings"
	"testing"

	"fluxworker/test/build"
)

func TestProbe(t *testing.T) {
	floor, err := check(build.Probe(t), "2.17")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the probe needs glibc %s", floor)
}

func TestTooNew(t *testing.T) {
	_, err := check(build.Probe(t), "2.2")
	if err == nil || !strings.Contains(err.Error(), "above 2.2: ") {
		t.Errorf("%v", err)
	}
}

func TestNotDynamic(t *testing.T) {
	static := build.Fluxworker(t)
	if _, err := check(static, "2.17"); err == nil {
		t.Error("a static program passes")
	}
	if _, err := check(os.DevNull, "2.17"); err == nil {
		t.Error("an empty file passes")
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{"2.17": "2.17", "2.3.3": "2.3.3", "ABI_DT_RELR": "", "PRIVATE": "", "": ""} {
		v, err := parse(text)
		if (err == nil) != (want != "") || v.String() != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
}
