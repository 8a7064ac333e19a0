package fakeollama

import (
	"io"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		ok   bool
	}{
		{"plain", []string{"serve"}, nil, true},
		{"a worker's environment", []string{"serve"}, []string{"OLLAMA_HOST=127.0.0.1:0", "OLLAMA_NUM_PARALLEL=4", "OLLAMA_CONTEXT_LENGTH=512"}, true},
		{"a URL", []string{"serve"}, []string{"OLLAMA_HOST=http://localhost:11434/"}, true},
		{"IPv6", []string{"serve"}, []string{"OLLAMA_HOST=[::1]:0"}, true},
		{"no command", nil, nil, false},
		{"another command", []string{"run"}, nil, false},
		{"flags behind the command", []string{"serve", "--gpu"}, nil, false},
		{"every interface", []string{"serve"}, []string{"OLLAMA_HOST=0.0.0.0:0"}, false},
		{"no host", []string{"serve"}, []string{"OLLAMA_HOST=:0"}, false},
		{"a name", []string{"serve"}, []string{"OLLAMA_HOST=node17:0"}, false},
		{"no slots", []string{"serve"}, []string{"OLLAMA_NUM_PARALLEL=-1"}, false},
		{"an unknown generation", []string{"--generation", "x", "serve"}, nil, false},
		{"an unknown start fault", []string{"--start-fault", "late", "serve"}, nil, false},
		{"an unknown fault", []string{"--fault", "denied", "serve"}, nil, false},
		{"a pid without a child", []string{"--child-pid", "f", "serve"}, nil, false},
		{"lean", []string{"--lean", "--delay", "1s", "serve"}, nil, true},
		{"lean with a fault", []string{"--lean", "--fault", "500", "serve"}, nil, false},
		{"lean without a model", []string{"--lean", "--models", "", "serve"}, nil, false},
		{"for ever", []string{"--max-life", "0", "serve"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parse(tt.args, tt.env, io.Discard); (err == nil) != tt.ok {
				t.Errorf("got error %v", err)
			}
		})
	}
}
