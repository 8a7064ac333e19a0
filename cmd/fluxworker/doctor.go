package main

import (
	"encoding/json"
	"os"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"fluxworker/worker"
	"fluxworker/worker/doctor"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

type doctorFlags struct {
	run    runFlags
	asJSON bool
}

func doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [--model NAME]",
		Short: "Check whether a run would work on this machine",
		Long: `doctor checks what a run needs on this machine: the GPUs and their driver, Ollama, which it starts and ends, the folder with the
models, the isolation of servers, SLURM and this job, scratch, limits and variables. It takes the flags and variables of run that
say which Ollama is used. Each line is OK, WARN or FAIL, and a WARN or FAIL has a remedy.

Start doctor where a run would start: in the job script, or with srun. The report has no prompt and no password in it, so you can
send it to a help desk.

Exit codes: 0 if no line is FAIL, 1 otherwise.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.examine(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetNormalizeFunc(canonicalName)
	flags.StringVar(&f.run.request.model, "model", "", "`NAME` of a model that must be there")
	f.run.registerOllama(flags)
	f.run.registerPlace(flags)
	f.run.request.openai.register(flags)
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (f *doctorFlags) examine(cmd *cobra.Command) error {
	config, err := f.config(cmd)
	if err != nil {
		return err
	}
	findings := doctor.Examine(cmd.Context(), config)
	if f.asJSON {
		if err := json.NewEncoder(jsonEscaper{os.Stdout}).Encode(findings); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, one := range findings {
			printf(w, "%s\t%s\t%s\n", string(one.Verdict), one.Check, one.Text)
			if one.Remedy != "" {
				printf(w, "\t\t-> %s\n", one.Remedy)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if doctor.Failed(findings) {
		return errUnfit
	}
	return nil
}

// config returns what a run with these flags would use.
func (f *doctorFlags) config(cmd *cobra.Command) (doctor.Config, error) {
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, PartsExclude: []string{"time"}, FormatPrepare: escapedFields})
	warnOfSecrets(log, cmd.Flags())
	warnOfUnknown(log, cmd.Root())
	for _, choice := range []struct {
		flag, value string
		allowed     []string
	}{
		{"device", f.run.device, []string{string(ollama.DeviceAuto), string(ollama.DeviceCPU)}},
		{"isolate", f.run.isolate, []string{string(ollama.IsolateAuto), string(ollama.IsolateAlways), string(ollama.IsolateNever)}},
	} {
		if err := oneOf(choice.flag, choice.value, choice.allowed...); err != nil {
			return doctor.Config{}, err
		}
	}
	if err := f.run.checkLoadTimeout(); err != nil {
		return doctor.Config{}, err
	}
	openAI := &f.run.request.openai
	if err := openAI.check(cmd.Flags()); err != nil {
		return doctor.Config{}, err
	}
	if _, err := openAI.model(f.run.request.model); openAI.given() && err != nil {
		return doctor.Config{}, err
	}
	command, err := f.run.command()
	if err != nil {
		return doctor.Config{}, err
	}
	f.run.pull = "missing" // a missing folder is a finding, and no mistake of usage
	folders, err := f.run.modelFolders()
	if err != nil {
		return doctor.Config{}, err
	}
	job, err := slurm.FromEnviron(os.Environ())
	if err != nil {
		return doctor.Config{}, &usageError{err}
	}
	scratch, skipped := worker.ScratchRoot(os.Getenv)
	server := fleet.Settings{
		Command: command, URL: f.run.ollamaURL, Device: ollama.Device(f.run.device), Isolate: ollama.Isolation(f.run.isolate),
		LoadTimeout: min(f.run.loadTimeout, doctorPatience), ScratchRoot: scratch,
	}
	if err := openAI.complete(&server); err != nil {
		return doctor.Config{}, err
	}
	return doctor.Config{
		Server: server, Model: f.run.request.model, Models: folders, Scratch: scratch, SkippedScratch: skipped, Job: job, Groups: slurm.ProcessGroups(), Environ: os.Environ(),
	}, nil
}

// doctorPatience limits each step of the server's start: doctor loads no model.
const doctorPatience = 2 * time.Minute
