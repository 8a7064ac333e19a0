package fakeollama

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// kind is a kind of fault of a chat request.
type kind string

const (
	none         kind = ""
	refused      kind = "refused"  // the connection is reset, and new connections are refused for a while
	reset        kind = "reset"    // the connection is reset before the answer
	half         kind = "half"     // the connection closes in the middle of the answer
	hang         kind = "hang"     // no answer until the client goes away; the slot stays taken
	garbage      kind = "garbage"  // 200 with a body that is not JSON
	undone       kind = "undone"   // 200 with done false and a part of the answer
	slow         kind = "slow"     // the right answer, ten times later (than --delay, or than 10 ms if that is more)
	exits        kind = "exit"     // the process exits 1 instead of an answer
	hangAll      kind = "hang-all" // this request and all later ones hang
	spinAll      kind = "spin-all" // like hang-all, with one busy core
	slowAll      kind = "slow-all" // a part of the model leaves the GPU: this request and all later ones are slow, including the worker's proofs
	badRequest   kind = "400"
	notFound     kind = "404"
	serverError  kind = "500"
	serverIsBusy kind = "503"
	endlessHead  kind = "endless-head" // 200 with header fields without end
	endlessInfo  kind = "endless-1xx"  // informational responses without end
	endlessBody  kind = "endless-body" // 200 with a text without end
	redirected   kind = "redirect"     // 307 to another server of this process
	escaped400   kind = "escapes-400"  // 400 with control characters in the message
	escaped500   kind = "escapes-500"  // 500 with control characters in the message
	counts       kind = "counts"       // the right answer with a negative and a huge token count
	hugeCounts   kind = "huge-counts"  // the right answer with token counts that no integer holds
)

func kinds() []kind {
	return []kind{refused, reset, half, hang, garbage, undone, slow, exits, hangAll, spinAll, slowAll, badRequest, notFound, serverError, serverIsBusy,
		endlessHead, endlessInfo, endlessBody, redirected, escaped400, escaped500, counts, hugeCounts}
}

// isSlow reports whether the right answer comes in spite of the fault.
func (k kind) isSlow() bool { return k == slow || k == slowAll }

func kindNames() string {
	var names []string
	for _, k := range kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}

// fault is a kind with the requests that it hits.
type fault struct {
	kind kind
	rate float64 // share of the requests, 0 to 1; used if at is 0
	at   int     // number of the only request, from 1
}

func parseFault(s string) (fault, error) {
	name, rate, hasRate := strings.Cut(s, ":")
	name, at, hasAt := strings.Cut(name, "@")
	f := fault{kind: kind(name), rate: 1}
	var err error
	switch {
	case !slices.Contains(kinds(), f.kind):
		return f, fmt.Errorf("there is no fault %q; there are: %s", name, kindNames())
	case hasRate && hasAt:
		return f, fmt.Errorf("fault %q has a rate and a number; want one of them", s)
	case hasRate:
		if f.rate, err = strconv.ParseFloat(rate, 64); err != nil || !(f.rate >= 0 && f.rate <= 1) {
			return f, fmt.Errorf("fault %q: the rate is %q; want 0 to 1", s, rate)
		}
	case hasAt:
		if f.at, err = strconv.Atoi(at); err != nil || f.at < 1 {
			return f, fmt.Errorf("fault %q: the number is %q; want 1 or more", s, at)
		}
	}
	return f, nil
}

// faultList is the value of a repeatable flag.
type faultList []fault

func (l *faultList) String() string { return "" }

// Set adds a fault.
func (l *faultList) Set(s string) error {
	f, err := parseFault(s)
	if err == nil {
		*l = append(*l, f)
	}
	return err
}

// script decides which requests fail. Numbers count requests in the order of arrival. Rates depend on the last message
// and on its number of earlier occurrences only, so the same rows fail with any number of requests in flight, and a
// retry is a new decision.
type script struct {
	faults []fault
	match  string
	seed   uint64

	mu      sync.Mutex
	arrived int
	before  map[uint64]uint64 // number of occurrences of each message; filled only for rates
	stuck   kind              // the kind that hits all requests from now on
}

func newScript(c config) *script {
	return &script{faults: c.faults, match: c.faultMatch, seed: c.seed, before: make(map[uint64]uint64)}
}

// next returns the fault of the request that has just arrived. If several faults apply, the first flag wins.
func (s *script) next(message string) kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck != none {
		return s.stuck
	}
	if len(s.faults) == 0 || !strings.Contains(message, s.match) {
		return none
	}
	s.arrived++
	for i, f := range s.faults {
		if !s.strikes(f, i, message) {
			continue
		}
		if f.kind == hangAll || f.kind == spinAll || f.kind == slowAll {
			s.stuck = f.kind
		}
		s.count(message)
		return f.kind
	}
	s.count(message)
	return none
}

// slowed reports whether all requests are slow now.
func (s *script) slowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck == slowAll
}

func (s *script) strikes(f fault, index int, message string) bool {
	switch {
	case f.at > 0:
		return s.arrived == f.at
	case f.rate == 0 || f.rate == 1:
		return f.rate == 1
	}
	h := hash(message)
	return rand.New(rand.NewPCG(s.seed^h, s.before[h]<<8|uint64(index))).Float64() < f.rate
}

func (s *script) count(message string) {
	if slices.ContainsFunc(s.faults, func(f fault) bool { return f.at == 0 && f.rate > 0 && f.rate < 1 }) {
		s.before[hash(message)]++
	}
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
