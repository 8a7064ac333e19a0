package dispatch

import (
	"testing"
	"time"
)

// The pause doubles, up to 32 times the first pause, less a random part of up to a half. No pause stays no pause.
func TestRetryPauses(t *testing.T) {
	t.Parallel()
	task := task{}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 32} {
		before := time.Now()
		task = task.retry(time.Hour)
		if pause := task.notBefore.Sub(before); pause < want*time.Hour/2 || pause > want*time.Hour+time.Minute {
			t.Errorf("pause %d is %s, want %s at most and half of it at least", i+1, pause, want*time.Hour)
		}
	}
	if task = task.retry(0); task.notBefore.After(time.Now()) || task.retries != 8 {
		t.Errorf("without a pause: %+v", task)
	}
}
