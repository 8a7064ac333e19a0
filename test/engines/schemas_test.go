package engines

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"fluxworker/test/harness"
)

// schemaRow is a row whose answer is an object with one property p.
func schemaRow(id, property string) string {
	return chatRow(id, "x 3", `"max_tokens":120`, `"response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type":"object",`+
		`"properties":{"p":`+property+`},"required":["p"],"additionalProperties":false}}}`)
}

// enginePatterns are patterns that the grammars of the servers do not hold as they stand, and whose strings are short.
var enginePatterns = []string{
	`^\d{4}-\d{2}-\d{2}$`, `^#(?:[0-9a-fA-F]{3}){1,2}$`, `^(\d{3}[-.\s]?){2}\d{4}$`, `^[^\s"]{0,20}$`, `^"\\/$`, `^[\x00-\x1f]$`, `^a\.?b$`, `^\u00e9{2}$`, `^(|a)$`,
	`^((a?b?)*){1}c$|^d$`, `^\$\{[a-c]\}\^\[\]$`, `^(?i)straße$`, `^[é-ü]{1,3}$`, `^(a{1,30}){1,30}$`, `^$`,
}

// Each of these schemas ended the server, or kept it from answering. Now a server that is started once and loads the model
// once answers all of them, and the answer to a pattern matches it.
func TestSchemasOnEngines(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, model := range []string{"bigram", "tiny-gemma3"} {
			t.Run(model, func(t *testing.T) {
				j := g.NewJob(t, "--model", model, "--max-retries", "0")
				rows := []string{
					schemaRow("plain", `{"enum":["a","b"]}`),
					schemaRow("bounds", `{"type":"integer","minimum":100000000000000000}`),
					schemaRow("items", `{"type":"array","items":{"enum":[1]},"minItems":1,"maxItems":5000}`),
					schemaRow("length", `{"type":"string","minLength":1,"maxLength":5000,"enum":["a"]}`),
					schemaRow("long", `{"type":"string","maxLength":5000}`),
					schemaRow("names", `{"type":"object","properties":{"größe":{"enum":[1]},"a]":{"enum":[1]}},"required":["größe","a]"],"additionalProperties":true}`),
					schemaRow("optional", `{"type":"object","properties":{`+optional(250)+`},"additionalProperties":false}`),
					chatRow("root", "x 3", `"max_tokens":200`, `"response_format":{"type":"json_schema","json_schema":{"name":"ui","schema":{"type":"object","properties":{`+
						`"type":{"enum":["div"]},"children":{"type":"array","items":{"$ref":"#"},"maxItems":1}},"required":["type","children"],"additionalProperties":false}}}`),
				}
				for i, pattern := range enginePatterns {
					text, err := json.Marshal(pattern)
					if err != nil {
						t.Fatal(err)
					}
					rows = append(rows, schemaRow(fmt.Sprintf("pattern %d", i), `{"type":"string","pattern":`+string(text)+`}`))
				}
				j.Write(rows...)
				j.Run(3) // "bounds" is left to the model, which does not keep to it
				results, failed := j.RawLines("results.jsonl"), j.RawLines("results-errors.jsonl")
				if len(results)+len(failed) != len(rows) {
					t.Errorf("%d answers and %d errors of %d rows", len(results), len(failed), len(rows))
				}
				for id, line := range failed {
					// What is not a pattern may be longer than max_tokens.
					if code := at(line, "response", "body", "error", "code"); code != "invalid_output" || id == "plain" || strings.HasPrefix(id, "pattern") {
						t.Errorf("%s: %v", id, at(line, "response", "body", "error"))
					}
				}
				for i, pattern := range enginePatterns {
					content, _ := at(results[fmt.Sprintf("pattern %d", i)], "response", "body", "choices", 0, "message", "content").(string)
					var said struct{ P string }
					pattern = strings.ReplaceAll(pattern, `\u00e9`, "é")
					if err := json.Unmarshal([]byte(content), &said); err != nil || !regexp.MustCompile(pattern).MatchString(said.P) {
						t.Errorf("%s: %q (%v)", pattern, content, err)
					}
				}
				log, err := os.ReadFile(j.Path("results.run/server.log"))
				if loads := modelLoad.FindAll(log, -1); err != nil || len(loads) != 1 || strings.Contains(string(log), "error parsing grammar") {
					t.Errorf("the model was loaded %d times, want once; or a grammar was not parsed (%v)", len(loads), err)
				}
			})
		}
	})
}

// optional returns properties whose rules are longer than Ollama's space for a short schema.
func optional(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"property_%d":{"type":"string"}`, i))
	}
	return strings.Join(list, ",")
}
