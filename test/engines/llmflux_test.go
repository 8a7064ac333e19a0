package engines

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// A job of LLMFlux, its rows, model file and .env as they are, is answered by a real server, and who reads its results reads
// these. The run is stopped once in the middle.
func TestLLMFluxJob(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		const rows = 120
		j := g.NewJob(t, "--model", "custom:my-model", "--custom-config-path", "my-model.yaml", "--output", "results.json")
		j.UseFront(g)
		lines := []string{"# questions", ""}
		for i := range rows {
			id, prompt := "q-"+string(rune('a'+i%26))+strings.Repeat("x", i/26), harness.PromptOf(i)
			body := map[string]any{"model": nil, "messages": []any{map[string]any{"role": "user", "content": prompt}}}
			row := map[string]any{"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body, "metadata": map[string]any{"n": i}}
			switch i % 4 {
			case 1:
				delete(row, "url")
				row["metadata"] = nil
			case 2:
				row["url"], row["body"] = "/v1/completions", map[string]any{"model": "bigram", "prompt": prompt}
			}
			data, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(data))
		}
		j.Write(append(lines, `{"custom_id":"cut off","body":{"messages":[`)...)
		for name, text := range map[string]string{
			".env": "MODEL_NAME=another:1b\nBATCH_SIZE=4\nSAVE_FREQUENCY=50\nMAX_TOKENS=300\nOLLAMA_HOST=0.0.0.0:11434\n",
			"my-model.yaml": `name: "custom:my-model"
ollama: bigram
resources: {gpu_layers: 1, gpu_memory: "16GB", batch_size: 8, max_concurrent: 2}
parameters: {temperature: 0.0, top_p: 0.9, max_tokens: 200, stop_sequences: ["###"]}
validation: {temperature_range: [0.0, 1.0], max_tokens_limit: 4096, batch_size_range: [1, 16], concurrent_range: [1, 4]}
requirements: {min_gpu_memory: "16GB", recommended_gpu: "A100", cuda_version: ">=12.0", cpu_threads: 1, gpu_memory_utilization: 0.9}
`,
		} {
			if err := os.WriteFile(j.Path(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}

		j.Kill(j.StartAndHold(11, "--batch-size", "2"))
		if _, err := os.Stat(j.Path("results.json")); err == nil {
			t.Error("a run that was killed in the middle has left a document")
		}
		j.Release()
		j.Run(3)

		var document struct {
			Results []struct {
				Input struct {
					CustomID string `json:"custom_id"`
					Metadata map[string]any
					Body     struct {
						Messages []struct{ Content string }
						Prompt   string
					}
				}
				Metadata map[string]any
				Output   *struct {
					Object  string
					Choices []struct {
						Message struct{ Role, Content string }
						Text    string
						Finish  string `json:"finish_reason"`
					}
				}
				Error string
			}
		}
		j.Read("results.json", &document)
		if len(document.Results) != rows+1 {
			t.Fatalf("%d items, want %d", len(document.Results), rows+1)
		}
		for i, r := range document.Results[:rows] {
			want := harness.AnswerTo(harness.PromptOf(i))
			if r.Output == nil || r.Error != "" {
				t.Errorf("item %d has no answer: %q", i, r.Error)
				continue
			}
			c := r.Output.Choices[0]
			got, asked := c.Message.Content, ""
			if i%4 == 2 {
				got, asked = c.Text, r.Input.Body.Prompt
			} else {
				asked = r.Input.Body.Messages[0].Content
			}
			if got != want || asked != harness.PromptOf(i) || c.Finish != "stop" {
				t.Errorf("item %d: %q was answered by %q (%s), want %q", i, asked, got, c.Finish, want)
			}
			if n, ok := r.Metadata["n"]; ok != (i%4 != 1) || ok && n != float64(i) || r.Metadata["model"] != "bigram" || r.Metadata["timestamp"] == nil {
				t.Errorf("item %d has the metadata %v", i, r.Metadata)
			}
		}
		if bad := document.Results[rows]; !strings.HasPrefix(bad.Error, "invalid_json_line: ") || bad.Input.CustomID == "" || bad.Metadata["error"] != true {
			t.Errorf("the last item: %+v", bad)
		}
		if left, _ := filepath.Glob(j.Path(".results*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}
