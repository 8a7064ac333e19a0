package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
	"fluxworker/worker/record"
	"fluxworker/worker/slurm"
	"fluxworker/worker/tokens"
)

type planFlags struct {
	run    runFlags
	gpus   string
	asJSON bool
	sbatch bool
	rate   float64
}

func planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --model NAME [--gpu 2xA100-80GB]",
		Short: "Show what run would start, and the arithmetic behind it",
		Long: `plan shows how run would serve the model: the GPUs, the servers, the slots, and the share of each part in the free GPU
memory. It takes the flags of run, starts nothing on a GPU and answers no row. With --input it samples the rows and chooses
the context as run would. Without --input and without --context N it takes 4096 tokens.

With --gpu it plans for hardware that this machine lacks, such as A100-80GB, 2xH100-80GB or 4x24GB. If Ollama has the model,
the model's numbers come from Ollama, else from the model's YAML.

With --sbatch it prints a job script for this model and input: GPUs, host memory, CPUs and time, and the run with the flags
given here. The time comes from --rate, or from the rate of earlier runs into the same output.

The exit codes are those of run: 0 if the model fits, 81 if it does not, 80 if there is no usable GPU.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.plan(cmd) },
	}
	flags := cmd.Flags()
	cmd.Flags().SortFlags = false
	cmd.SetUsageFunc(groupedUsage)
	f.run.register(flags)
	flags.StringVar(&f.gpus, "gpu", "", "plan for `GPUS` such as 2xA100-80GB instead of the GPUs of this machine")
	flags.BoolVar(&f.asJSON, "json", false, "print the plan as JSON")
	flags.BoolVar(&f.sbatch, "sbatch", false, "print a job script for sbatch")
	flags.Float64Var(&f.rate, "rate", 0, "with --sbatch: `ROWS` answered per second in an earlier run (default: the rate of earlier runs into the same output)")
	return cmd
}

func (f *planFlags) plan(cmd *cobra.Command) error {
	ctx, flags := cmd.Context(), cmd.Flags()
	console, err := newConsole("none", f.run.logLevel, f.run.logFormat)
	if err != nil {
		return err
	}
	if err := f.checkSbatch(); err != nil {
		return err
	}
	warnOfSecrets(console.log, flags)
	warnOfUnknown(console.log, cmd.Root())
	s, err := f.run.request.resolve(flags, console.log)
	if err != nil {
		return err
	}
	config, err := f.run.config(s)
	if err != nil {
		return err
	}
	if err := config.CheckFiles(); err != nil {
		return err
	}
	if config.Server.OpenAI != nil {
		return f.planOpenAI(ctx, config, flags, s, console)
	}
	config.Server.ScratchRoot = scratchRoot(console.log)
	var gpus []gpu.Device
	if f.gpus != "" || f.run.device != string(ollama.DeviceCPU) && f.run.ollamaURL == "" {
		if gpus, err = planGPUs(ctx, f.gpus, console.log); err != nil {
			return err
		}
	}
	if f.gpus != "" {
		config.Server.Device = ollama.DeviceAuto // whatever is here
		config.Place.Memory = slurm.Memory{}     // the same goes for this machine's limit
	}
	info, from := f.look(ctx, config, console)
	planner := config.Planner()
	planner.Last = config.LastManifest()
	planned, choice, shared, err := planner.PlanRows(ctx, info, gpus)
	if err != nil {
		return err
	}
	planned.Sources = f.run.withSources(planned.Sources, flags, s)
	if f.sbatch {
		for _, w := range planned.Warnings {
			console.log.Warn().Msg(w)
		}
		return f.printSbatch(os.Stdout, config, planned, flags, s.dotenv)
	}
	isolated, why := isolation(ctx, config.Server)
	if f.asJSON {
		return json.NewEncoder(jsonEscaper{os.Stdout}).Encode(struct {
			batcher.Plan
			Context  *record.ContextChoice `json:"context_chosen,omitempty"`
			Shared   float64               `json:"prompt_shared,omitempty"` // see tokens.Sharing.Share
			Isolated bool                  `json:"isolated"`
			Why      string                `json:"isolated_because"`
		}{planned, choice, shared.Share(), isolated, why})
	}
	if err := printPlan(planned, choice, shared, s.model.Name, from); err != nil {
		return err
	}
	_, err = printf(os.Stdout, "\nisolated: %t, %s\n", isolated, why)
	return err
}

// isolation reports whether servers would run in their own namespaces on this machine, and the reason. It starts a server to
// find out.
func isolation(ctx context.Context, s fleet.Settings) (isolated bool, why string) {
	switch {
	case s.URL != "":
		return false, "--ollama-url names a server that runs already"
	case s.Isolate == ollama.IsolateNever:
		return false, "--isolate is never"
	}
	tried, err := ollama.CheckIsolation(ctx, s.Command, s.Device, s.LoadTimeout)
	switch {
	case err == nil && tried:
		return true, "a server of this command started in namespaces of its own"
	case err == nil:
		return true, "the kernel of this machine allows namespaces; " + s.Command[0] + " is not installed here, so no server was tried"
	case s.Isolate == ollama.IsolateAlways:
		return false, "and run would fail here, since --isolate is always: " + err.Error()
	default:
		return false, "other users of the node could reach a server's port: " + err.Error()
	}
}

// planGPUs returns the GPUs that the user described, else the GPUs of this process.
func planGPUs(ctx context.Context, described string, log zerolog.Logger) ([]gpu.Device, error) {
	if described == "" {
		gpus, err := plan.AllocatedGPUs(ctx, log)
		if err != nil {
			return nil, fmt.Errorf("%w, or name GPUs that this machine lacks, such as --gpu 2xA100-80GB", err)
		}
		return gpus, nil
	}
	report, err := gpu.Describe(described)
	if err != nil {
		return nil, usagef("--gpu: %w", err)
	}
	return report.Devices, nil
}

// look asks Ollama for the model's metadata, and falls back to the numbers of the YAML: a login node often has neither the
// program nor the model.
func (f *planFlags) look(ctx context.Context, config worker.Config, console *console) (info ollama.Info, from string) {
	dir, err := os.MkdirTemp(config.Server.ScratchRoot, "fluxworker-plan-")
	if err != nil {
		return info, "the model's YAML (" + err.Error() + ")"
	}
	defer os.RemoveAll(dir)
	config.Server.PullMissing = false
	info, err = config.Inspector(console.log, filepath.Join(dir, "server.log")).Inspect(ctx)
	if file := config.Server.File; err != nil && file != nil {
		if info, err := file.Info(); err == nil {
			return info, "the file " + file.Path
		}
	}
	switch {
	case err == nil:
		return info, "Ollama " + info.Version
	case errors.Is(err, ollama.ErrModelMissing):
		return ollama.Info{}, "the model's YAML (Ollama does not have the model)"
	case errors.Is(err, ollama.ErrNotFound):
		return ollama.Info{}, "the model's YAML (" + strings.Join(config.Server.Command, " ") + " is not installed here)"
	default:
		console.log.Warn().Err(err).Msg("Ollama was not asked")
		return ollama.Info{}, "the model's YAML (Ollama was not asked)"
	}
}

func printPlan(p batcher.Plan, rows *record.ContextChoice, shared *tokens.Sharing, model, from string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printf(w, "model\t%s, as known from %s\n", model, from)
	printf(w, "slots\t%d, with %d tokens each (%s cache)\n", p.Slots, p.Context, p.KVCacheType)
	if rows != nil {
		printf(w, "rows\t%s\n", rows)
	}
	if text := shared.String(); text != "" {
		printf(w, "prompts\t%s\n", text)
	}
	for i, s := range p.Servers {
		printf(w, "\nserver %d\t%d slots on %s\n", i+1, s.Slots, deviceNames(s.Devices))
		for _, t := range s.Terms {
			printf(w, "  %s\t%s\t%s\n", t.Name, batcher.Size(t.Bytes), t.Note)
		}
		switch {
		case len(s.Terms) == 0:
		case s.BytesElsewhere > 0:
			printf(w, "  sum\t%s\ton its first GPU, and %s on each other\n", batcher.Size(s.Bytes), batcher.Size(s.BytesElsewhere))
		default:
			printf(w, "  sum\t%s\ton its GPU\n", batcher.Size(s.Bytes))
		}
	}
	if p.Host != (batcher.Host{}) {
		printf(w, "\nhost memory\t%s held, %s for the page cache\t--mem=%dG would do\n", batcher.Size(p.Host.Unreclaimable()), batcher.Size(p.Host.Files), plan.MemoryToAskFor(p.Host)>>30)
		printHost(w, p.Host)
	}
	if len(p.Devices) > 0 {
		fmt.Fprintln(w, "\nGPU\tFREE\tRESERVE\tHEADROOM\tPLANNED")
		for _, d := range p.Devices {
			printf(w, "%s\t%s\t%s\t%s\t%s\n", d.Device.UUID, batcher.Size(d.Free), batcher.Size(d.Reserve), batcher.Size(d.Headroom), or(d.Unusable, batcher.Size(d.Planned)))
		}
	}
	if len(p.Sources) > 0 {
		fmt.Fprintln(w, "\nWHAT\tVALUE\tFROM")
		for _, s := range p.Sources {
			printf(w, "%s\t%s\t%s\n", s.What, s.Value, s.From)
		}
	}
	for _, warning := range p.Warnings {
		printf(w, "\nwarning: %s\n", warning)
	}
	return w.Flush()
}

// printHost prints the parts of the host memory that is held.
func printHost(w io.Writer, h batcher.Host) {
	for _, part := range []struct {
		name  string
		bytes int64
		note  string
	}{
		{"model", h.Model, "weights and KV cache on the CPU"},
		{"processes", h.Servers, "of the servers, an estimate; the prompt cache and checkpoints of llama-server are off"},
		{"embedding", h.Embedding, "the token embedding, which no GPU needs"},
		{"buffers", h.Buffers, "inputs of a ubatch, and logits"},
	} {
		if part.bytes > 0 {
			printf(w, "  %s\t%s\t%s\n", part.name, batcher.Size(part.bytes), part.note)
		}
	}
}

func deviceNames(devices []gpu.Device) string {
	if len(devices) == 0 {
		return "what the server finds"
	}
	var names []string
	for _, d := range devices {
		names = append(names, fmt.Sprintf("%s (%s)", d.UUID, d.Name))
	}
	return strings.Join(names, ", ")
}
