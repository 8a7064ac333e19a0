package ollama

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitCommand(t *testing.T) {
	tests := []struct {
		line string
		want []string // nil: an error
	}{
		{"ollama", []string{"ollama"}},
		{"  /opt/o/bin/ollama\t", []string{"/opt/o/bin/ollama"}},
		{"apptainer exec --nv x.sif ollama", []string{"apptainer", "exec", "--nv", "x.sif", "ollama"}},
		{`"/with blanks/ollama" -x`, []string{"/with blanks/ollama", "-x"}},
		{`'it"s' "it's" a\ b`, []string{`it"s`, "it's", "a b"}},
		{`a'b'c ''`, []string{"abc", ""}},
		{`'back\slash'`, []string{`back\slash`}},
		{"\n  vllm serve \\\n  --port 'a\nb'\r\n -x\\\ny\n", []string{"vllm", "serve", "--port", "a\nb", "-xy"}},
		{`"open`, nil},
		{`end\`, nil},
		{"", nil},
		{"   ", nil},
	}
	for _, tt := range tests {
		got, err := SplitCommand(tt.line)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v; want %q", tt.line, got, err, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	job := []string{
		"PATH=/bin", "LD_LIBRARY_PATH=/cuda", "CUDA_VISIBLE_DEVICES=GPU-1", "SLURM_JOB_ID=7", "HTTPS_PROXY=http://p:1",
		"HOME=/home/u", "TMPDIR=/login/tmp", "OLLAMA_HOST=0.0.0.0:11434", "OLLAMA_NUM_PARALLEL=64", "OLLAMA_KV_CACHE_TYPE=q4_0",
		"ROCR_VISIBLE_DEVICES=0", "GPU_DEVICE_ORDINAL=0", "ZE_AFFINITY_MASK=0", "HIP_VISIBLE_DEVICES=",
		"APPTAINERENV_OLLAMA_NUM_PARALLEL=64", "SINGULARITYENV_OLLAMA_HOST=0.0.0.0", "APPTAINERENV_HTTPS_PROXY=http://p:2",
		"LLAMA_ARG_CTX_SIZE=1", "LLAMA_API_KEY=x", "LLAMA_LOG_VERBOSITY=9", "MTMD_DEBUG_EMBEDDINGS=1", "OLLAMA_DEBUG=2", "OLLAMA_DEBUG_LOG_REQUESTS=1", "OLLAMA_ORIGINS=*", "GGML_CUDA_ENABLE_UNIFIED_MEMORY=1", "FLUXWORKER_MODEL=x",
	}
	s := Settings{Models: "/m", Home: "/scratch/h", Slots: 8, Context: 2048, Device: DeviceAuto, LoadTimeout: 90 * time.Second}
	env := environment(job, s)

	want := map[string]string{
		"PATH": "/bin", "LD_LIBRARY_PATH": "/cuda", "CUDA_VISIBLE_DEVICES": "GPU-1", "SLURM_JOB_ID": "7", "HTTPS_PROXY": "http://p:1",
		"HOME": "/scratch/h", "TMPDIR": "/scratch/h", "OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": "/m", "OLLAMA_NUM_PARALLEL": "8",
		"OLLAMA_CONTEXT_LENGTH": "2048", "OLLAMA_LOAD_TIMEOUT": "1m30s", "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_MAX_LOADED_MODELS": "1", "OLLAMA_FLASH_ATTENTION": "1",
		"OLLAMA_NO_CLOUD": "1", "OLLAMA_NOPRUNE": "1", "LLAMA_ARG_CACHE_RAM": "0", "LLAMA_ARG_CTX_CHECKPOINTS": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "GIN_MODE": "release",
		"OLLAMA_DEBUG": "0", "OLLAMA_DEBUG_LOG_REQUESTS": "0", "OLLAMA_ORIGINS": "",
	}
	for _, v := range s.variables() { // the same in a container
		if name, value, _ := strings.Cut(v, "="); name != "HOME" {
			want["APPTAINERENV_"+name], want["SINGULARITYENV_"+name] = value, value
		}
	}
	want["APPTAINERENV_HTTPS_PROXY"] = "http://p:2"
	for _, prefix := range []string{"APPTAINER_", "SINGULARITY_"} {
		want[prefix+"HOME"], want[prefix+"BIND"] = "/scratch/h", ""
	}
	got := make(map[string]string)
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		got[name] = value
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
		delete(got, name)
	}
	for name, value := range got {
		t.Errorf("%s=%s should not reach the server", name, value)
	}

	for _, tt := range []struct {
		change  func(*Settings)
		visible string
		also    string
	}{
		{func(s *Settings) { s.Device = DeviceCPU }, "-1", "ROCR_VISIBLE_DEVICES=-1"},
		{func(s *Settings) { s.FixedLayers = true }, "GPU-1", "LLAMA_ARG_FIT=off"},
		{func(s *Settings) { s.Devices = []string{"GPU-2"}; s.KVCacheType = "q8_0" }, "GPU-2", "OLLAMA_KV_CACHE_TYPE=q8_0"},
		{func(s *Settings) { s.Devices = []string{"GPU-2", "GPU-3"} }, "GPU-2,GPU-3", "OLLAMA_SCHED_SPREAD=1"},
	} {
		changed := s
		tt.change(&changed)
		env := environment(job, changed)
		if n := strings.Count("\n"+strings.Join(env, "\n"), "\nCUDA_VISIBLE_DEVICES="); n != 1 || !slices.Contains(env, "CUDA_VISIBLE_DEVICES="+tt.visible) {
			t.Errorf("%d settings of CUDA_VISIBLE_DEVICES in %q, want only %s", n, env, tt.visible)
		}
		if !slices.Contains(env, tt.also) {
			t.Errorf("%s is not in %q", tt.also, env)
		}
	}
}

func TestSameModel(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"bigram", "bigram:latest", true},
		{"llama3.2:3b", "llama3.2:3b", true},
		{"llama3.2:3b", "llama3.2", false},
		{"localhost:5000/a/b", "localhost:5000/a/b:latest", true},
		{"Bigram:LATEST", "bigram", true},
		{"library/bigram", "bigram", true},
		{"registry.ollama.ai/library/bigram", "bigram:latest", true},
		{"someone/bigram", "bigram", false},
		{"hf.co/someone/bigram", "someone/bigram", false},
	} {
		if got := sameModel(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}
