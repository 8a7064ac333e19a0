package fakeollama

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
)

// Ollama's own client understands everything that a worker asks before its rows.
func TestControl(t *testing.T) {
	s := start(t, true, []string{"OLLAMA_CONTEXT_LENGTH=512"}, "--models", "bigram,other:7b", "--gpu")
	s.output.await(t, `msg="inference compute" id=GPU-\S+ filter_id="" library=CUDA `)
	c, ctx := s.api(t), t.Context()

	if v, err := c.Version(ctx); err != nil || v != "0.34.3" {
		t.Errorf("version: %q, %v", v, err)
	}
	list, err := c.List(ctx)
	if err != nil || len(list.Models) != 2 || list.Models[0].Name != "bigram:latest" || len(list.Models[0].Digest) != 64 {
		t.Errorf("list: %+v, %v", list, err)
	}
	show, err := c.Show(ctx, &api.ShowRequest{Model: "bigram"})
	if err != nil || show.Details.Family != "llama" || show.ModelInfo["llama.context_length"] != 8192.0 {
		t.Errorf("show: %+v, %v", show, err)
	}
	_, err = c.Show(ctx, &api.ShowRequest{Model: "x"})
	var status api.StatusError
	if !errors.As(err, &status) || status.StatusCode != http.StatusNotFound || status.ErrorMessage != "model 'x' not found" {
		t.Errorf("show of an unknown model: %v", err)
	}
	if running, err := c.ListRunning(ctx); err != nil || len(running.Models) != 0 {
		t.Errorf("ps before a load: %+v, %v", running, err)
	}
	var loaded api.GenerateResponse
	err = c.Generate(ctx, &api.GenerateRequest{Model: "bigram", Options: map[string]any{"num_ctx": 512}},
		func(r api.GenerateResponse) error { loaded = r; return nil })
	if err != nil || !loaded.Done || loaded.DoneReason != "load" {
		t.Errorf("load: %+v, %v", loaded, err)
	}
	running, err := c.ListRunning(ctx)
	if err != nil || len(running.Models) != 1 || running.Models[0].SizeVRAM != running.Models[0].Size || running.Models[0].ContextLength != 512 {
		t.Errorf("ps after a load: %+v, %v", running, err)
	}
	var steps []string
	err = c.Pull(ctx, &api.PullRequest{Model: "new"}, func(p api.ProgressResponse) error {
		steps = append(steps, p.Status)
		return nil
	})
	if err != nil || steps[0] != "pulling manifest" || steps[len(steps)-1] != "success" {
		t.Errorf("pull: %q, %v", steps, err)
	}
	if _, err := c.Show(ctx, &api.ShowRequest{Model: "new"}); err != nil {
		t.Errorf("show of a pulled model: %v", err)
	}
	if got := s.ended(t); got.Loads != 1 || got.Requests != 0 || got.Ended != "signal" || !slices.Contains(got.Env, "OLLAMA_CONTEXT_LENGTH=512") {
		t.Errorf("record: %+v", got)
	}
}

func TestPullError(t *testing.T) {
	s := start(t, true, nil, "--pull-error", "no route to host")
	s.output.await(t, `msg="inference compute" id=cpu library=cpu `)
	status, body, err := s.post(t.Context(), "/api/pull", `{"model":"new"}`)
	if err != nil || status != http.StatusOK || !strings.HasSuffix(body, `{"error":"no route to host"}`+"\n") {
		t.Errorf("got %d %q, %v", status, body, err)
	}
	if err := s.api(t).Pull(t.Context(), &api.PullRequest{Model: "new"}, func(api.ProgressResponse) error { return nil }); err == nil {
		t.Error("Ollama's client sees no error")
	}
}
