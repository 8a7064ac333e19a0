package dispatch

import (
	"sync/atomic"
	"time"
)

// enough is the time from which a shared request need not take longer: the cost of a request, some milliseconds, is next to
// nothing then, and a longer request only comes near to the limits of time.
const enough = time.Second

// pace is how fast a server makes vectors.
type pace struct {
	text atomic.Int64 // time of a text in the last request, in ns, the wait for other requests included; 0 before the first
}

// note counts a request with so many texts.
func (p *pace) note(texts int, took time.Duration) { p.text.Store(max(1, int64(took)/int64(texts))) }

// texts returns how many texts a request should have: one before the first answer.
func (p *pace) texts() int {
	one := p.text.Load()
	if one == 0 {
		return 1
	}
	return int(min(max(1, int64(enough)/one), maxTexts))
}
