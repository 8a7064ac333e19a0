package ollama

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fluxworker/test/await"
)

// The lines come from real servers: Ollama 0.24.0 and 0.34.3.
func TestSettingsOfAServer(t *testing.T) {
	const (
		old   = `time=2026-11-30T08:09:16.968Z level=INFO source=routes.go:1802 msg="server config" env="map[CUDA_VISIBLE_DEVICES:-1 GGML_VK_VISIBLE_DEVICES: GPU_DEVICE_ORDINAL: HIP_VISIBLE_DEVICES: HSA_OVERRIDE_GFX_VERSION: HTTPS_PROXY: HTTP_PROXY: NO_PROXY: OLLAMA_CONTEXT_LENGTH:512 OLLAMA_DEBUG:INFO OLLAMA_DEBUG_LOG_REQUESTS:false OLLAMA_FLASH_ATTENTION:true OLLAMA_HOST:http://127.0.0.1:0 OLLAMA_KEEP_ALIVE:2562047h47m16.854775807s OLLAMA_KV_CACHE_TYPE: OLLAMA_LOAD_TIMEOUT:1m30s OLLAMA_MAX_LOADED_MODELS:1 OLLAMA_MODELS:/my \"models\" OLLAMA_NOPRUNE:true OLLAMA_NO_CLOUD:true OLLAMA_NUM_PARALLEL:8 OLLAMA_ORIGINS:[http://localhost https://localhost] OLLAMA_SCHED_SPREAD:false http_proxy: https_proxy: no_proxy:]"`
		newer = `time=2026-11-30T08:09:16.968Z level=INFO source=routes.go:1971 msg="server config" env="map[CUDA_VISIBLE_DEVICES:-1 LLAMA_ARG_FIT: OLLAMA_CONTEXT_LENGTH:512 OLLAMA_HOST:http://127.0.0.1:0 OLLAMA_NUM_PARALLEL:8]"`
	)
	settings := Settings{Models: `/my "models"`, Home: "/h", Slots: 8, Context: 512, Device: DeviceCPU, LoadTimeout: 90 * time.Second}
	for _, tt := range []struct {
		line   string
		change func(*Settings)
		want   []string
	}{
		{old, func(*Settings) {}, nil},
		{newer, func(*Settings) {}, nil},
		{"another line", func(s *Settings) { s.Slots = 1 }, nil},
		{old, func(s *Settings) { s.Slots, s.Context = 1, 2048 }, []string{`OLLAMA_NUM_PARALLEL is "8", not "1"`, `OLLAMA_CONTEXT_LENGTH is "512", not "2048"`}},
		{old, func(s *Settings) { s.KVCacheType = "q8_0" }, []string{`OLLAMA_KV_CACHE_TYPE is "", not "q8_0"`}},
		{old, func(s *Settings) { s.Models = "/m" }, []string{`OLLAMA_MODELS is "/my \"models\"", not "/m"`}},
		{newer, func(s *Settings) { s.FixedLayers = true }, []string{`LLAMA_ARG_FIT is "", not "off"`}},
		{strings.Replace(old, "http://127.0.0.1:0", "http://0.0.0.0:11434", 1), func(*Settings) {}, []string{`OLLAMA_HOST is "http://0.0.0.0:11434", not "http://127.0.0.1:0"`}},
		{strings.Replace(old, "LOG_REQUESTS:false", "LOG_REQUESTS:true", 1), func(*Settings) {}, []string{`OLLAMA_DEBUG_LOG_REQUESTS is "true", not "0"`}},
	} {
		changed := settings
		tt.change(&changed)
		if got := differences(changed.variables(), parseConfig(tt.line)); !slices.Equal(got, tt.want) {
			t.Errorf("%.300s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// The wrong settings are the error, whether the server then listens or, for its port is another program's, ends.
func TestServerWithOtherSettings(t *testing.T) {
	const config = `echo 'msg="server config" env="map[OLLAMA_CONTEXT_LENGTH:512 OLLAMA_NUM_PARALLEL:1]"'`
	for _, then := range []string{"echo Listening on 127.0.0.1:11434; sleep 600", "exit 1"} {
		dir := t.TempDir()
		s, err := Start([]string{"sh", "-c", config + "; " + then}, Settings{Models: dir, Slots: 4, Context: 512, Device: DeviceCPU, LoadTimeout: await.Patience},
			dir, filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		if err := s.WaitListening(t.Context(), DeviceCPU); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), `OLLAMA_NUM_PARALLEL is "1", not "4";`) {
			t.Errorf("%s: %v, want ErrSettings", then, err)
		}
	}
}
