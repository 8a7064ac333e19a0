package plan

import (
	"testing"

	"fluxworker/gpu"
)

func TestOpenAIServersShareOutTheGPUs(t *testing.T) {
	gpus := []gpu.Device{{UUID: "a"}, {UUID: "b"}, {UUID: "c"}, {UUID: "d"}}
	p, err := OpenAI(2, 8, gpus)
	if err != nil || p.Slots != 16 || len(p.Servers) != 2 || len(p.Servers[1].Devices) != 2 || p.Servers[1].Devices[0].UUID != "c" || p.Servers[0].Slots != 8 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := OpenAI(3, 8, gpus); err == nil {
		t.Error("3 servers share out 4 GPUs")
	}
	if p, err := OpenAI(3, 8, nil); err != nil || len(p.Servers) != 3 || len(p.Servers[2].Devices) != 0 {
		t.Errorf("on the CPU: %+v, %v", p, err)
	}
}
