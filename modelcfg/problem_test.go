package modelcfg

import (
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	const size = `it must be a size with its unit, such as "16GB" (1GB is 1024MB; at most 1024TB)`
	const known = "name, hf_name, resources, parameters, system, validation, requirements, model_info, architecture, ollama, notes"
	tests := []struct {
		name, yaml string
		want       []string
	}{
		{"range", "name: x\nparameters:\n  temperature: 3.5\n",
			[]string{"x.yaml:3: parameters.temperature is 3.5; it must be between 0 and 2"}},
		{"all at once, by line", "resources: {batch_size: 0}\nparameters:\n  top_p: 1.1\n  top_k: -1\n  max_tokens: 0\nname: a b\n",
			[]string{
				"x.yaml:1: resources.batch_size is 0; it must be between 1 and 4096",
				"x.yaml:3: parameters.top_p is 1.1; it must be between 0 and 1",
				"x.yaml:4: parameters.top_k is -1; it must be between 0 and 1000000",
				"x.yaml:5: parameters.max_tokens is 0; it must be between 1 and 10000000",
				`x.yaml:6: name is "a b"; it must be ` + nameRule,
			}},
		{"text for a number", "parameters: {temperature: abc, max_tokens: abc}\n", []string{
			`x.yaml:1: parameters.temperature is the text "abc"; it must be a number between 0 and 2`,
			`x.yaml:1: parameters.max_tokens is the text "abc"; it must be a whole number between 1 and 10000000`,
		}},
		{"quoted numbers", "parameters: {temperature: \"0.7\"}\nresources: {batch_size: '4'}\n", []string{
			`x.yaml:1: parameters.temperature is the text "0.7"; it must be a number between 0 and 2; remove the quotes`,
			`x.yaml:2: resources.batch_size is the text "4"; it must be a whole number between 1 and 4096; remove the quotes`,
		}},
		{"fraction for a whole number", "resources: {batch_size: 4.5, gpu_layers: true}\n", []string{
			"x.yaml:1: resources.batch_size is 4.5; it must be a whole number between 1 and 4096",
			"x.yaml:1: resources.gpu_layers is true; it must be a whole number between -1 and 10000",
		}},
		{"not a number", "parameters: {temperature: .nan, top_p: .inf}\n", []string{
			"x.yaml:1: parameters.temperature is .nan; it must be between 0 and 2",
			"x.yaml:1: parameters.top_p is .inf; it must be between 0 and 1",
		}},
		{"sections and values mixed up", "parameters: [1]\nresources: 4\nsystem: {prompt: {a: b}}\nname: [x]\n", []string{
			"x.yaml:1: parameters is a list; it must hold keys and values",
			"x.yaml:2: resources is 4; it must hold keys and values",
			"x.yaml:3: system.prompt is a section with keys; it must be text, in quotes if it looks like something else",
			"x.yaml:4: name is a list; it must be " + nameRule + ", in quotes if it looks like something else",
		}},
		{"sizes", "name: x\nresources: {gpu_memory: 16}\nrequirements: {min_gpu_memory: much}\n", []string{
			"x.yaml:2: resources.gpu_memory is 16; " + size,
			`x.yaml:3: requirements.min_gpu_memory is the text "much"; ` + size,
		}},
		{"stop", "parameters: {stop_sequences: END}\n", []string{
			`x.yaml:1: parameters.stop_sequences is the text "END"; it must be a list of texts such as ["\n\n", "END"]`}},
		{"stop elements", "parameters: {stop_sequences: [3, '']}\n", []string{
			"x.yaml:1: parameters.stop_sequences is 3; it must be a list of texts, in quotes if it looks like something else",
			"x.yaml:1: parameters.stop_sequences holds an empty text; remove it",
		}},
		{"ranges", "validation:\n  temperature_range: [1, 0]\n  batch_size_range: [1]\n", []string{
			"x.yaml:2: validation.temperature_range is [1, 0]; it must be [lowest, highest]: swap the two",
			"x.yaml:3: validation.batch_size_range has 1 values; it must be a range [lowest, highest] between 1 and 4096",
		}},
		{"range bounds", "validation: {temperature_range: [0, 3], batch_size_range: [1, 2.5]}\n", []string{
			"x.yaml:1: validation.temperature_range is 3; it must be between 0 and 2",
			"x.yaml:1: validation.batch_size_range is 2.5; it must be a whole number between 1 and 4096",
		}},
		{"own limits", "resources: {batch_size: 32}\nparameters:\n  temperature: 0.9\n  max_tokens: 5000\nvalidation:\n" +
			"  temperature_range: [0, 0.5]\n  max_tokens_limit: 4096\n  batch_size_range: [1, 16]\n", []string{
			"x.yaml:1: resources.batch_size is 32; it must be between 1 and 16 because of validation.batch_size_range in line 8: change one of the two",
			"x.yaml:3: parameters.temperature is 0.9; it must be between 0 and 0.5 because of validation.temperature_range in line 6: change one of the two",
			"x.yaml:4: parameters.max_tokens is 5000; it must be at most 4096 because of validation.max_tokens_limit in line 7: change one of the two",
		}},
		{"kv heads", "architecture:\n  layers: 3\n  kv_heads: [8, 8]\n",
			[]string{"x.yaml:3: architecture.kv_heads has 2 values; it must be one whole number, or 3 values as in architecture.layers"}},
		{"kv heads without layers", "architecture:\n  kv_heads: 8\n",
			[]string{"x.yaml:2: architecture.kv_heads is given without architecture.layers; add layers"}},
		{"bool", "architecture: {vision: yes, single_slot: 1}\n", []string{
			`x.yaml:1: architecture.vision is the text "yes"; it must be true or false`,
			"x.yaml:1: architecture.single_slot is 1; it must be true or false",
		}},
		{"twice", "name: x\nparameters: {top_p: 1}\nname: y\n",
			[]string{"x.yaml:3: name is given twice, first in line 1; remove one of them"}},
		{"in a map of models", "models:\n  a:\n    parameters:\n      temperature: 3\n  'b c': {}\n", []string{
			"x.yaml:4: models.a.parameters.temperature is 3; it must be between 0 and 2",
			"x.yaml:5: models.b c is not a name for a model; it must be " + nameRule,
		}},
		{"models is no map", "models: [a]\n", []string{"x.yaml:1: models is a list; it must hold keys and values"}},
		{"no models", "models: {}\n", []string{"x.yaml:1: models is empty; it must be a map of models by name"}},
		{"merge of a list", "name: x\n<<: [3]\n", []string{"x.yaml:2: << must name mappings, merged at most 4 deep"}},
		{"empty", "# nothing\n", []string{"x.yaml: is empty; it must hold a model with at least one of the keys " + known}},
		{"another file", `{"custom_id": "1", "body": {}}`, []string{
			"x.yaml:1: has none of the keys of a model (" + known + ", or models with a map of models); is it another file?"}},
		{"plain text", "hello\n", []string{`x.yaml:1: is the text "hello"; it must hold keys and values`}},
		{"second document", "name: x\n---\nname: y\n",
			[]string{"x.yaml:2: starts a second YAML document; put several models under the key models"}},
		{"syntax", "name: x\nparameters: {top_p: 1\n",
			[]string{"x.yaml:1: cannot be read as YAML: did not find expected ',' or '}'"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, problems := load(t, tt.yaml)
			expect(t, "problems", problems, tt.want)
		})
	}
}

func TestWarnings(t *testing.T) {
	_, warnings, problems := load(t, `name: x
paramters: {top_p: 2}
resources:
  max_concurrent: 2
  batchsize: 4
parameters:
  temprature: 9
  seed: 1
validation: {concurrent_range: [1, 4]}
model_info: {anything: goes, extra: {a: b}}
Notes: hm
`)
	const slots = "is ignored: how many requests run at once follows from the number of slots (resources.batch_size)"
	expect(t, "problems", problems, nil)
	expect(t, "warnings", warnings, []string{
		"x.yaml:2: paramters is not a known key and is ignored; did you mean parameters?",
		"x.yaml:4: resources.max_concurrent " + slots,
		"x.yaml:5: resources.batchsize is not a known key and is ignored; did you mean batch_size?",
		"x.yaml:7: parameters.temprature is not a known key and is ignored; did you mean temperature?",
		"x.yaml:8: parameters.seed is not a known key and is ignored",
		"x.yaml:9: validation.concurrent_range " + slots,
		"x.yaml:10: model_info.extra is a section with keys and is ignored; model_info holds plain values",
		"x.yaml:11: Notes is not a known key and is ignored; did you mean notes?",
	})
}

// Nested merges of merges must not multiply.
func TestMergeBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 {x: 1}\n")
	for i := 1; i < 6; i++ {
		p := string(rune('0' + i - 1))
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " {<<: [" + strings.Repeat("*a"+p+", ", 60) + "*a" + p + "]}\n")
	}
	b.WriteString("name: x\nparameters: {<<: *a4}\n")
	_, _, problems := load(t, b.String())
	if len(problems) == 0 || len(problems) > maxProblems || !strings.Contains(problems[0], "merge") {
		t.Errorf("got %d problems: %v", len(problems), problems)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"16GB": 16 << 30, "16 GiB": 16 << 30, "16g": 16 << 30, " 1.5GB ": 3 << 29, "512MB": 512 << 20, "8K": 8 << 10, "1TB": 1 << 40,
		"": 0, "16": 0, "GB": 0, "-1GB": 0, "1e3GB": 0, "16XB": 0, "16B": 0, "16I": 0, "0GB": 0, "2000TB": 0, "1..5GB": 0, "99999999999999999999TB": 0,
	} {
		got, err := parseSize(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("parseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"llama3.2:3b": true, "custom:my-model": true, "bigram": true, "hf.co/x/y:Q4": true, "localhost:5000/a/b:c": true, "_x": true,
		"": false, "a b": false, "a\n": false, "a\x00": false, "-m": false, "a:": false, "/a": false, "a//b": false, "a::b": false,
		"modèle": false, "a;b": false, strings.Repeat("a", 256): false,
	} {
		if got := validName(name); got != want {
			t.Errorf("validName(%q) = %v", name, got)
		}
	}
}
