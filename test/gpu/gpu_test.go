package gpu

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/gpu"
	"fluxworker/test/await"
	"fluxworker/test/gpu/synthetic"
	"fluxworker/test/harness"
)

var update = flag.Bool("update", false, "write RESULTS.md anew, on a machine with a GPU")

// TestGPU takes all steps on the first GPU of the machine, which no other process should use meanwhile.
func TestGPU(t *testing.T) {
	c, device := realCard(t)
	t.Run("NVML against nvidia-smi", func(t *testing.T) {
		smi, err := gpu.Query(context.Background()) // the test program holds no probe
		if err != nil {
			t.Fatal(err)
		}
		for _, difference := range differences(nvml(t), smi) {
			t.Error(difference)
		}
	})
	generations := engines(t)
	if len(generations) == 0 {
		t.Skip("no generation has a CUDA backend")
	}
	table := &results{card: c.name, driver: nvml(t).Driver, device: device}
	for _, g := range generations {
		t.Run(g.Name, func(t *testing.T) { steps(t, c, g, table) })
	}
	t.Logf("\n%s", table.markdown())
	if *update && !t.Failed() {
		if err := os.WriteFile("RESULTS.md", []byte(table.markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRehearsal takes the same steps without a GPU. It shows that the steps themselves work, and nothing about memory.
func TestRehearsal(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		table := &results{card: "rehearsal"}
		steps(t, rehearsal(t), g, table)
		if text := table.markdown(); len(table.memory) != 3 || len(table.rates) != 3 || strings.Count(text, "| "+g.Name+" |") != 6 {
			t.Errorf("the tables have not three lines each:\n%s", text)
		} else if m := table.memory; m[0].slots <= m[1].slots || m[1].slots <= m[2].slots || m[2].slots == 0 {
			t.Errorf("less free memory does not give fewer slots:\n%s", text)
		}
	})
}

func steps(t *testing.T, c *card, g harness.Generation, table *results) {
	planned := make(map[string]served)
	t.Run("planned against measured", func(t *testing.T) {
		for _, s := range c.shapes {
			t.Run(s.Name, func(t *testing.T) { planned[s.Name] = plannedAgainstMeasured(t, c, g, s, table) })
		}
	})
	first := c.shapes[0]
	if planned[first.Name].Slots == 0 {
		t.Fatal("no plan: the other steps would tell nothing")
	}
	t.Run("isolation", func(t *testing.T) { isolation(t, c, g, first) })
	t.Run("failed load", func(t *testing.T) { failedLoad(t, c, g, first, planned[first.Name]) })
	t.Run("spill", func(t *testing.T) { spill(t, c, g, first) })
	t.Run("rows/s", func(t *testing.T) { rate(t, c, g, first, planned[first.Name].Slots, table) })
}

// plannedAgainstMeasured runs a model three times, with other amounts of free memory and so with other numbers of slots. Each
// plan nearly fills what is free. It returns the server of the first run.
func plannedAgainstMeasured(t *testing.T, c *card, g harness.Generation, s synthetic.Shape, table *results) (first served) {
	for i, leave := range c.leaves {
		server := fillWithPlan(t, c, g, s, leave, table)
		if i == 0 {
			first = server
		}
	}
	return first
}

// fillWithPlan runs a model with so many bytes of the card free, and as many slots as the plan takes.
func fillWithPlan(t *testing.T, c *card, g harness.Generation, s synthetic.Shape, leave int64, table *results) served {
	if weights, host := s.TensorBytes(); weights-host > leave*7/10 {
		t.Logf("%d MiB of the card are free: too few for slots beside %d MiB of weights", leave/mib, (weights-host)/mib)
		return served{}
	}
	release := c.fill(t, leave)
	defer release()
	before := c.used(t)
	j := c.job(t, g, s, "--slots", "auto", "--max-tokens", fmt.Sprint(c.work.answer))
	c.use(j, g)
	const rows = 64 // the most slots that a plan takes by itself
	writeRows(j, rows, c.work.prompt)
	j.Run(0)
	sum, server := summaryOf(j, rows), serverOf(j)
	m := memory{generation: g.Name, model: s.Name, context: c.contexts[s.Name], slots: server.Slots, free: leave, planned: server.PredictedBytes}
	if len(server.MeasuredBytes) == 1 && len(sum.GPUs) == 1 {
		m.measured, m.peak = server.MeasuredBytes[0], sum.GPUs[0].Peak-before
	}
	table.memory = append(table.memory, m)
	if server.Loaded.Bytes == 0 || server.Loaded.GPUBytes != server.Loaded.Bytes {
		t.Errorf("%d slots: %d of %d bytes are on the GPU", server.Slots, server.Loaded.GPUBytes, server.Loaded.Bytes)
	}
	if strings.Contains(j.Stderr.String(), "starting the server again with less") {
		t.Errorf("the plan was too large for the card: the server was started again with %d slots", server.Slots)
	}
	if c.measures {
		if why := m.judge(); why != "" {
			t.Error(why)
		}
	}
	return server
}

// isolation demands that a server with a GPU is in namespaces of its own wherever the kernel allows them.
func isolation(t *testing.T, c *card, g harness.Generation, s synthetic.Shape) {
	p := planOf(t, append([]string{"--gguf", c.model(t, s), "--context", c.contexts[s.Name], "--ollama", "'" + g.Ollama + "'"}, c.plan...)...)
	if !p.Isolated {
		t.Skip("this machine allows no namespaces for servers; fluxworker plan says why")
	}
	j := c.job(t, g, s, "--slots", "1", "--max-tokens", "4")
	c.use(j, g)
	writeRows(j, 2, c.work.prompt)
	j.Run(0)
	summaryOf(j, 2)
	if server := serverOf(j); !server.Isolated || server.Loaded.GPUBytes != server.Loaded.Bytes {
		t.Errorf("isolated: %t, %d of %d bytes on the GPU; want an isolated server that is on the GPU",
			server.Isolated, server.Loaded.GPUBytes, server.Loaded.Bytes)
	}
}

// failedLoad fills the card between the plan and the load: another job of the GPU takes memory then, for example. The run must
// go on with fewer slots.
func failedLoad(t *testing.T, c *card, g harness.Generation, s synthetic.Shape, planned served) {
	release := c.fill(t, c.leaves[0])
	defer release()
	j := c.job(t, g, s, "--slots", "auto", "--max-tokens", "4")
	c.use(j, g, fmt.Sprintf("FRONT_FAILS=%d", planned.Slots/2))
	holdTheServer(j)
	writeRows(j, planned.Slots, c.work.prompt)
	cmd := j.Start()
	await.Until(t, "the start of the server", func() bool { _, err := os.Stat(j.Path("waiting")); return err == nil })
	release2 := c.fill(t, planned.PredictedBytes*3/4)
	defer release2()
	if err := os.WriteFile(j.Path("filled"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j.Wait(cmd, 0)
	summaryOf(j, planned.Slots)
	if server := serverOf(j); server.Slots >= planned.Slots || server.Loaded.GPUBytes != server.Loaded.Bytes {
		t.Errorf("%d slots, %d of %d bytes on the GPU; want fewer than the planned %d slots, and all on the GPU",
			server.Slots, server.Loaded.GPUBytes, server.Loaded.Bytes, planned.Slots)
	}
	if !strings.Contains(j.Stderr.String(), "the GPU has no room for so much") {
		t.Error("that the load failed is not told")
	}
}

// holdTheServer puts a script before the job's Ollama. The server of the rows starts when the file "filled" is there, and says by
// the file "waiting" that it could. The server that is asked about the model sees no GPU, and starts at once.
func holdTheServer(j *harness.Job) {
	j.T.Helper()
	var command string
	for i, flag := range j.Args {
		if flag == "--ollama" {
			command = j.Args[i+1] // the last one counts
		}
	}
	script := "#!/bin/sh\n" +
		"if [ \"$CUDA_VISIBLE_DEVICES\" != -1 ]; then\n" +
		"\t: >'" + j.Path("waiting") + "'\n" +
		"\twhile [ ! -e '" + j.Path("filled") + "' ]; do sleep 0.1; done\n" +
		"fi\n" +
		"exec " + command + " \"$@\"\n"
	path := filepath.Join(j.Dir, "held-ollama")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		j.T.Fatal(err)
	}
	j.Args = append(j.Args, "--ollama", path)
}

// spill leaves half of the layers to the CPU, as a YAML may demand. The run must see that.
func spill(t *testing.T, c *card, g harness.Generation, s synthetic.Shape) {
	j := c.job(t, g, s, "--slots", "1", "--max-tokens", "2", "--allow-cpu-layers", "--model-config", "model.yaml")
	yaml := fmt.Sprintf("name: custom:%s\nresources:\n  gpu_layers: %d\n", s.Name, s.Layers/2)
	if err := os.WriteFile(j.Path("model.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c.use(j, g, "FRONT_HOLDS=0")
	writeRows(j, 1, c.work.prompt)
	j.Run(0)
	summaryOf(j, 1)
	if server := serverOf(j); server.Loaded.GPUBytes >= server.Loaded.Bytes {
		t.Errorf("%d of %d bytes are on the GPU, want fewer than all", server.Loaded.GPUBytes, server.Loaded.Bytes)
	}
	if !strings.Contains(j.Stderr.String(), "some of the model is on the CPU") {
		t.Error("that some of the model is on the CPU is not told")
	}
}

// rate measures the rows per second with the slots of the plan, with half and with double of them, on the whole card.
func rate(t *testing.T, c *card, g harness.Generation, s synthetic.Shape, slots int, table *results) {
	rows := c.work.rowsPerSlot * slots
	for _, n := range []int{max(1, slots/2), slots, 2 * slots} {
		j := c.job(t, g, s, "--slots", fmt.Sprint(n), "--max-tokens", fmt.Sprint(c.work.answer))
		c.use(j, g)
		writeRows(j, rows, c.work.prompt)
		j.Run(0)
		sum := summaryOf(j, rows)
		table.rates = append(table.rates, speed{generation: g.Name, model: s.Name, asked: n, slots: serverOf(j).Slots, rows: rows,
			seconds: sum.AskSeconds, tokens: sum.TokensOut})
	}
}
