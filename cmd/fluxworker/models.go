package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fluxworker/modelcfg"
)

func modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "models",
		Short: "List the models with known settings",
		Long: `models lists the models whose settings fluxworker knows. Any other Ollama tag can be given to --model, too.
A dash instead of a tag means that Ollama's library has no such model; the last column says what it has.`,
		RunE: func(*cobra.Command, []string) error { return listModels() },
	}
}

func listModels() error {
	catalog, err := modelcfg.Embedded()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tOLLAMA TAG\tMIN GPU MEMORY\tRECOMMENDED\tSLOTS\tNOTES")
	for _, m := range catalog.Models() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", m.Name, or(m.Tag(), "-"), gibibytes(m.Requirements.MinGPUMemory),
			or(m.Requirements.RecommendedGPU, "-"), m.Resources.BatchSize, remark(m))
	}
	return w.Flush()
}

func remark(m modelcfg.Model) string {
	if m.OllamaNote == "" {
		return m.Notes
	}
	return m.Notes + " (" + m.OllamaNote + ")"
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// gibibytes writes a size as model files do: their GB are 2^30 bytes.
func gibibytes(n int64) string { return fmt.Sprintf("%gGB", float64(n)/(1<<30)) }
