package slurm

import (
	"fmt"
	"testing"
	"time"
)

func TestTimeLeft(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0:00": 0, "0:07": 7 * time.Second, "59:59": time.Hour - time.Second, "1:00:00": time.Hour, "01:00:00": time.Hour,
		"23:59:59": 24*time.Hour - time.Second, "1-00:00:00": 24 * time.Hour, "365-00:00:01": 365*24*time.Hour + time.Second, "INVALID": 0,
	} {
		if got, limited, err := timeLeft(in); got != want || !limited || err != nil {
			t.Errorf("%s: %v, %v, %v", in, got, limited, err)
		}
	}
	for _, in := range []string{"UNLIMITED", "NOT_SET"} {
		if _, limited, err := timeLeft(in); limited || err != nil {
			t.Errorf("%s: %v, %v", in, limited, err)
		}
	}
	for _, in := range []string{"", "7", "1-0:07", "1-24:00:00", "24:00:00", "0:60", "60:00", "-1:00", "1:2:3:4", "a:00", "1:00 ", "99999999-00:00:00"} {
		if got, _, err := timeLeft(in); err == nil {
			t.Errorf("%q: %v, no error", in, got)
		}
	}
}

// What SLURM would print of a time is read as that time, and nothing else gives a time below zero.
func FuzzTimeLeft(f *testing.F) {
	for _, s := range []string{"1-02:03:04", "02:03:04", "03:04", "UNLIMITED", "INVALID", "NOT_SET", "1-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		left, limited, err := timeLeft(s)
		if left < 0 || (err != nil || !limited) && left != 0 {
			t.Fatalf("%q: %v, %v, %v", s, left, limited, err)
		}
		if err != nil || !limited || s == "INVALID" {
			return
		}
		seconds := int(left / time.Second)
		printed := fmt.Sprintf("%d:%02d", seconds/60%60, seconds%60)
		if hours := seconds / 3600; hours > 0 {
			printed = fmt.Sprintf("%d-%02d:%02d:%02d", hours/24, hours%24, seconds/60%60, seconds%60)
		}
		if again, _, err := timeLeft(printed); again != left || err != nil {
			t.Fatalf("%q is %v, and %q is %v, %v", s, left, printed, again, err)
		}
	})
}
