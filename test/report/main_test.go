package report

import (
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
