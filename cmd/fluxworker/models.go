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
		Long: `models lists the models whose settings fluxworker knows. --model also takes every other Ollama tag.
A dash instead of a tag means that Ollama's library has no such model; the last column names the nearest models.
With --fits it shows for each model how many slots the GPUs of this machine, or of --gpu, hold.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&f.fits, "fits", false, "show how many slots the GPUs hold, by the models' YAML")
	cmd.Flags().StringVar(&f.gpus, "gpu", "", "with --fits: `GPUS` such as 2xA100-80GB instead of the GPUs of this machine")
	cmd.Flags().IntVar(&f.context, "context", batcher.DefaultContext, "with --fits: context of `N` tokens for each slot")
	return cmd
}

// noFitError is a GPUError that suggests a flag of models.
type noFitError struct{ none *plan.GPUError }

func (e *noFitError) Error() string {
	return fmt.Sprintf("--fits: %v; name GPUs that this machine lacks, such as --gpu 2xA100-80GB", e.none.Err)
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
		if noGPU, ok := errors.AsType[*plan.GPUError](err); ok { // it suggests a flag that models lacks
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
		printf(w, "%s%s\t%s\t%s\t%s\t%s\n", own(fit(m)), m.Name, or(m.Tag(), "-"), gibibytes(m.Requirements.MinGPUMemory),
			or(m.Requirements.RecommendedGPU, "-"), remark(m))
	}
	return w.Flush()
}

// fit returns the cell of the column FITS.
func (f *modelsFlags) fit(m modelcfg.Model, gpus []gpu.Device) string {
	if m.Tag() == "" {
		return "no tag"
	}
	plan, err := batcher.Decide(m, m.Architecture, gpus, batcher.Request{Context: f.context})
	switch {
	case err != nil:
		return "no"
	case len(plan.Servers) > 1:
		return fmt.Sprintf("%d slots, %d servers", plan.Slots, len(plan.Servers))
	default:
		return fmt.Sprintf("%d slots", plan.Slots)
	}
}

// remark returns the notes on a model, and the nearest models if Ollama lacks it.
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

// gibibytes formats a size as model files do: their GB are 2^30 bytes.
func gibibytes(n int64) string { return fmt.Sprintf("%gGB", float64(n)/(1<<30)) }
