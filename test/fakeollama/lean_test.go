package fakeollama

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ollama/ollama/api"
)

// A lean stand-in answers as any other does; what it does not know by its bytes is answered by the other way.
func TestLeanAnswersAlike(t *testing.T) {
	env := []string{"OLLAMA_NUM_PARALLEL=2"}
	usual, lean := start(t, true, env), start(t, true, env, "--lean")
	for _, body := range []string{
		chatBody("a plain prompt 9", ``),
		chatBody("one that ends in ?", `"num_ctx":512,"num_predict":2048,"stop":[]`),
		chatBody(`an "escape" x`, ``),
		chatBody("cut by num_predict, which is behind an escape: \\ 3", `"num_predict":2`),
		chatBody("1", `"num_predict":1`), // a proof
		strings.Replace(chatBody("two messages 7", ``), `[{`, `[{"role":"system","content":"be brief"},{`, 1),
		strings.Replace(chatBody("another model", ``), "bigram", "trigram", 1),
		chatBody("", ``),
		`{"model":"bigram","messages":[]}`,
		`no JSON`,
	} {
		var want, got api.ChatResponse
		wantStatus, wantText, err := usual.post(t.Context(), "/api/chat", body)
		if err != nil {
			t.Fatal(err)
		}
		status, text, err := lean.post(t.Context(), "/api/chat", body)
		if err != nil {
			t.Fatal(err)
		}
		if status != wantStatus || status != 200 {
			if status != wantStatus || text != wantText {
				t.Errorf("%s: %d %s, want %d %s", body, status, text, wantStatus, wantText)
			}
			continue
		}
		if err := json.Unmarshal([]byte(wantText), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %s: %v", body, text, err)
		}
		if (got.TotalDuration > 0) != (want.TotalDuration > 0) || got.EvalDuration < 0 || time.Since(got.CreatedAt) > time.Minute {
			t.Errorf("%s: times of %s", body, text)
		}
		got.CreatedAt, want.CreatedAt = time.Time{}, time.Time{}
		for _, m := range []*api.Metrics{&got.Metrics, &want.Metrics} {
			m.TotalDuration, m.LoadDuration, m.PromptEvalDuration, m.EvalDuration = 0, 0, 0, 0
		}
		if g, w := asJSON(got), asJSON(want); string(g) != string(w) {
			t.Errorf("%s: %s, want %s", body, g, w)
		}
	}
	want, got := usual.ended(t), lean.ended(t)
	if got.Requests != want.Requests || got.Answered != want.Answered || got.Proofs != want.Proofs || got.PeakInFlight != 1 || got.PeakWorking != 1 {
		t.Errorf("record %+v, want the counts of %+v", got, want)
	}
}

// The record holds the times of rows and the seconds of slots.
func TestRecordOfTimes(t *testing.T) {
	for _, flags := range [][]string{nil, {"--lean"}} {
		s := start(t, true, []string{"OLLAMA_NUM_PARALLEL=2"}, append(flags, "--delay", "20ms")...)
		if _, _, err := s.post(t.Context(), "/api/chat", chatBody("1", `"num_predict":1`)); err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 3)
		for range cap(answers) {
			go func() {
				_, _, err := s.post(t.Context(), "/api/chat", chatBody("a prompt x", ``))
				answers <- err
			}()
		}
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
		r := s.ended(t)
		if r.Listening.After(r.LastProof) || r.LastProof.After(r.FirstRequest) || r.LastAnswer.Sub(r.FirstRequest) < 40*time.Millisecond {
			t.Errorf("%v: times %v, %v, %v, %v", flags, r.Listening, r.LastProof, r.FirstRequest, r.LastAnswer)
		}
		// Four answers of 20 ms had a slot each, and never more than two of them at once.
		if limit := 2 * time.Since(r.Listening).Seconds(); r.WorkSeconds < 0.08 || r.SlotSeconds < r.WorkSeconds || r.SlotSeconds > limit {
			t.Errorf("%v: slots were taken for %g s and worked in for %g, want 0.08 to %g and no more work than that", flags, r.SlotSeconds, r.WorkSeconds, limit)
		}
	}
}

// A slot that is freed while a request waits is taken from that instant, and worked in when that request has noticed.
func TestAFreedSlotIsTakenByWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(config{slots: 2}, nil, nil, nil)
		const second = time.Second
		for _, step := range []struct {
			does func()
			then time.Duration
		}{
			{r.want, second}, // a slot is free for it
			{func() { r.begin() }, second},
			{r.want, 0},
			{func() { r.begin() }, second}, // both slots work
			{r.want, second},               // a third request waits, and a fourth
			{r.want, second},
			{r.end, 10 * second}, // the third has a slot and does not know it
			{func() { r.begin() }, second},
			{r.giveUp, second}, // the fourth goes
			{r.end, second},    // one slot stands empty
			{r.end, second},    // both do
		} {
			step.does()
			time.Sleep(step.then)
		}
		r.change(func(rec *Record) {
			r.countSlots(rec)
			if rec.SlotSeconds != 1+1+3*2+10*2+2*2+1 || rec.WorkSeconds != 1+3*2+10*1+2*2+1 || rec.PeakWorking != 2 {
				t.Errorf("slots were taken for %g s and worked in for %g, %d at once", rec.SlotSeconds, rec.WorkSeconds, rec.PeakWorking)
			}
		})
	})
}

// Several servers of one run each have a record in a folder.
func TestRecordFolder(t *testing.T) {
	dir := t.TempDir()
	if got := ownFile(dir + "/file"); got != dir+"/file" {
		t.Errorf("a file becomes %s", got)
	}
	if got := ownFile(dir); !strings.HasPrefix(got, dir+"/") || !strings.HasSuffix(got, ".json") {
		t.Errorf("a folder's record is %s", got)
	}
}
