package slurm

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// duration matches D-HH:MM:SS, HH:MM:SS and MM:SS. Seven digits for days exceed any limit: SLURM counts minutes in 32
// bits.
var duration = regexp.MustCompile(`^(?:(?:(\d{1,7})-)?(\d{1,2}):)?(\d{1,2}):(\d{2})$`)

// timeLeft parses squeue's %L: "1-02:03:04", "2:03:04", "3:04". UNLIMITED and NOT_SET mean no limit. INVALID means that
// the limit has passed: squeue prints it for a negative time (OverTimeLimit and KillWait let a job continue).
func timeLeft(s string) (left time.Duration, limited bool, err error) {
	switch s {
	case "UNLIMITED", "NOT_SET":
		return 0, false, nil
	case "INVALID":
		return 0, true, nil
	}
	m := duration.FindStringSubmatch(s)
	if m == nil {
		return 0, false, fmt.Errorf("time left %q does not have the form D-HH:MM:SS, HH:MM:SS or MM:SS", s)
	}
	var n [4]int // 0 for a missing part
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	days, hours, minutes, seconds := n[0], n[1], n[2], n[3]
	if hours > 23 || minutes > 59 || seconds > 59 {
		return 0, false, fmt.Errorf("time left %q is not a valid time", s)
	}
	return time.Duration(((days*24+hours)*60+minutes)*60+seconds) * time.Second, true, nil
}
