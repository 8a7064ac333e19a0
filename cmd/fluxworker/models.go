package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/plan"
)

type modelsFlags struct {
	fits    bool
	gpus    string
	context int
}

func modelsCommand() *cobra.Command {
	var f modelsFlags
	cmd := &cobra.Command{
		Use:   "models [--fits [--gpu 2xA100-80GB]]",
		Short: "List the models with known settings",
		Long: `models lists the models whose settings fluxworker knows. Any other Ollama tag can be given to --model, too.
A dash instead of a tag means that Ollama's library has no such model; the last column says what it has.
With --fits it says for each how many slots this machine's GPUs hold, or those of --gpu.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&f.fits, "fits", false, "mark what the GPUs hold, going by the models' YAML")
	cmd.Flags().StringVar(&f.gpus, "gpu", "", "with --fits: take these `GPUS` instead of those of this machine, as in 2xA100-80GB")
	cmd.Flags().IntVar(&f.context, "context", batcher.DefaultContext, "with --fits: context length of each slot in tokens")
	return cmd
}

// noFitError is a GPUError whose way out is one that models has.
type noFitError struct{ none *plan.GPUError }

func (e *noFitError) Error() string {
	return fmt.Sprintf("--fits: %v; say --gpu 2xA100-80GB and the like for GPUs that are not here", e.none.Err)
}
func (e *noFitError) Unwrap() error { return e.none }

func (f *modelsFlags) list(ctx context.Context) error {
	catalog, err := modelcfg.Embedded()
	if err != nil {
		return err
	}
	fit := func(modelcfg.Model) string { return "" }
	header := "MODEL\tOLLAMA TAG\tMIN GPU MEMORY\tRECOMMENDED\tNOTES"
	if f.fits {
		gpus, err := planGPUs(ctx, f.gpus, zerolog.Nop())
		if noGPU, ok := errors.AsType[*plan.GPUError](err); ok { // its own way out is a flag that models has not
			return &noFitError{noGPU}
		}
		if err != nil {
			return err
		}
		header = "FITS\t" + header
		fit = func(m modelcfg.Model) string { return f.fit(m, gpus) + "\t" }
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, m := range catalog.Models() {
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\n", fit(m), m.Name, or(m.Tag(), "-"), gibibytes(m.Requirements.MinGPUMemory),
			or(m.Requirements.RecommendedGPU, "-"), remark(m))
	}
	return w.Flush()
}

// fit says in a word how the GPUs take the model.
func (f *modelsFlags) fit(m modelcfg.Model, gpus []gpu.Device) string {
	if m.Tag() == "" {
		return "no tag"
	}
	plan, err := batcher.Decide(m, m.Architecture, gpus, batcher.Wish{Context: f.context})
	switch {
	case err != nil:
		return "no"
	case len(plan.Servers) > 1:
		return fmt.Sprintf("%d slots, %d servers", plan.Slots, len(plan.Servers))
	default:
		return fmt.Sprintf("%d slots", plan.Slots)
	}
}

// remark is what a person should know of the model, and of one that Ollama does not have which come nearest.
func remark(m modelcfg.Model) string {
	note := m.OllamaNote
	if m.Tag() == "" && len(m.Alternatives) > 0 {
		note = strings.TrimPrefix(note+"; nearest: "+strings.Join(m.Alternatives, ", "), "; ")
	}
	if note == "" {
		return m.Notes
	}
	return m.Notes + " (" + note + ")"
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// gibibytes writes a size as model files do: their GB are 2^30 bytes.
func gibibytes(n int64) string { return fmt.Sprintf("%gGB", float64(n)/(1<<30)) }
