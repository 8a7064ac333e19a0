package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"fluxworker/batcher"
	"fluxworker/worker"
	"fluxworker/worker/plan"
)

// sbatchScript is a job script for a planned run.
type sbatchScript struct {
	model   string
	plan    batcher.Plan
	size    plan.JobSize
	rate    float64 // rows per second of each task; 0 if unknown
	from    string  // origin of the rate
	all     int64   // rows of the input
	array   bool    // each task takes its part
	requeue bool
	command []string

	more     []string // further options, such as --account=NAME
	moreFrom string   // the file with these options
}

// checkSbatch refuses flags from which no job script can be made.
func (f *planFlags) checkSbatch() error {
	switch {
	case !(f.rate >= 0) || math.IsInf(f.rate, 1):
		return usagef("--rate is %g; it must be more than 0 rows a second", f.rate)
	case !f.sbatch && f.rate > 0:
		return usagef("--rate is %g, but only --sbatch uses a rate, for the time limit; add --sbatch or leave out --rate", f.rate)
	case !f.sbatch:
		return nil
	case f.asJSON:
		return usagef("--sbatch and --json exclude each other; leave out one of them")
	case f.run.request.input == "" || f.run.request.input == "-":
		return usagef("--sbatch needs --input FILE: the script has to name the file with the rows, and they are counted")
	case f.run.results.output == "":
		return usagef("--sbatch needs --output FILE: the script has to name the file for the results")
	case f.run.ollamaURL != "":
		return usagef("--sbatch is for a job with a server of its own: leave --ollama-url out")
	case f.run.request.openai.given():
		return usagef("--sbatch plans the job of an Ollama server; for a server of OpenAI's API, take a script of scripts/sbatch")
	}
	return nil
}

// printSbatch prints the script.
func (f *planFlags) printSbatch(out io.Writer, config worker.Config, planned batcher.Plan, flags *pflag.FlagSet, env dotenv) error {
	s := sbatchScript{
		model: config.Model.Name, plan: planned, array: config.Place.Shard.Auto, requeue: f.run.job.requeue, command: f.command(flags),
		rate: f.rate, from: "--rate",
	}
	if s.rate == 0 {
		s.rate, s.from = plan.EarlierRate(config.Output)
	}
	left, all, err := config.RowsLeft()
	if err != nil {
		return err
	}
	s.all, s.size = all, plan.SizeJob(planned, left, s.rate, s.array)
	s.more, s.moreFrom = env.sbatchLines(s.rate > 0), env.path
	_, err = io.WriteString(out, s.String())
	return err
}

// String returns the script. Comments may stand between the #SBATCH lines, commands may not.
func (s sbatchScript) String() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		b.WriteString(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ") + "\n")
	}
	line("#!/bin/bash")
	line("# %s: %d slots of %d tokens on %s, planned by fluxworker.", s.model, s.plan.Slots, s.plan.Context, s.where())
	line("# Submit the script again, and it answers the remaining rows. Your site may want more options, such as --partition or --account.")
	b.WriteString("\n")
	if s.size.GPUs > 0 {
		line("#SBATCH --gres=gpu:%d", s.size.GPUs)
	}
	line("#SBATCH --cpus-per-task=%d", s.size.CPUs)
	s.memory(line)
	s.time(line)
	if s.array {
		s.tasks(line)
	}
	if s.requeue {
		line("#SBATCH --requeue")
	}
	line("#SBATCH --open-mode=append")
	if len(s.more) > 0 {
		line("# As %s says:", s.moreFrom)
	}
	for _, option := range s.more {
		line("#SBATCH %s", option)
	}
	b.WriteString("\n# \"exec\" matters: SLURM warns only the process of the script before the time limit, so fluxworker replaces it.\nexec ")
	b.WriteString(strings.Join(s.command, " \\\n  ") + "\n")
	return b.String()
}

// where names the GPUs.
func (s sbatchScript) where() string {
	if s.size.GPUs == 0 {
		return "the CPU"
	}
	var names []string
	for _, server := range s.plan.Servers {
		for _, d := range server.Devices {
			if !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
			}
		}
	}
	return fmt.Sprintf("%d × %s", s.size.GPUs, strings.Join(names, " and "))
}

func (s sbatchScript) memory(line func(string, ...any)) {
	h := s.plan.Host
	switch {
	case h.Model > 0 && h.Files == 0:
		line("# Host memory: %s for the model, %s for the server's processes, 1 GiB for fluxworker.", batcher.Size(h.Model), batcher.Size(h.Servers))
	case h.Files > 0:
		line("# Host memory: %s for the servers' processes, %s for the model's files while they are loaded, 1 GiB for fluxworker.", batcher.Size(h.Unreclaimable()), batcher.Size(h.Files))
	default:
		line("# Host memory: %s for the servers' processes, 1 GiB for fluxworker. The size of the model's files is unknown; add it.", batcher.Size(h.Servers))
	}
	if s.size.GPUs > 0 {
		line("# (LLMFlux asks for as much as the GPUs have. fluxworker needs less: slots and their context are in GPU memory.)")
	}
	line("#SBATCH --mem=%dG", s.size.Memory>>30)
}

func (s sbatchScript) time(line func(string, ...any)) {
	if s.rate == 0 {
		if slices.ContainsFunc(s.more, func(option string) bool { return strings.HasPrefix(option, "--time=") }) {
			return
		}
		line("# No --time: the rate of these rows is unknown. Run a few hundred of them in a short job with another --output. Its end")
		line("# shows the rows/s. Give this number to plan --sbatch --rate, and the script has a time limit.")
		return
	}
	each := ""
	if s.size.Tasks > 1 {
		each = fmt.Sprintf(" in each of %d tasks", s.size.Tasks)
	}
	line("# Time: %d of %d rows are left; %.3g rows/s%s (%s), %.0f minutes to start, and a fifth on top.",
		s.size.Rows, s.all, s.rate, each, s.from, math.Ceil(s.size.Start.Minutes()))
	line("#SBATCH --time=%s", timeLimit(s.size.Time))
	if s.size.Tasks == 1 && s.size.Time > 24*time.Hour {
		line("# More than a day. With --shard auto, plan --sbatch spreads the rows over the tasks of an array.")
	}
}

func (s sbatchScript) tasks(line func(string, ...any)) {
	if s.size.Tasks == 1 {
		line("# Each task takes its part of the rows. Without a rate the right number of tasks is unknown: change the 3.")
		line("#SBATCH --array=0-3")
		return
	}
	line("# Each task takes its part of the rows. %%2 after the numbers lets two tasks run at a time.")
	line("#SBATCH --array=0-%d", s.size.Tasks-1)
}

// timeLimit writes a duration as sbatch reads it.
func timeLimit(d time.Duration) string {
	minutes := int(d.Minutes())
	if days := minutes / (24 * 60); days > 0 {
		return fmt.Sprintf("%d-%02d:%02d:00", days, minutes/60%24, minutes%60)
	}
	return fmt.Sprintf("%02d:%02d:00", minutes/60, minutes%60)
}

// command returns the run with the flags that were given, one per line.
func (f *planFlags) command(flags *pflag.FlagSet) []string {
	program := os.Args[0]
	if strings.Contains(program, "/") {
		if absolute, err := filepath.Abs(program); err == nil {
			program = absolute
		}
	}
	lines := []string{quoted(program) + " run"}
	flags.VisitAll(func(flag *pflag.Flag) {
		own := slices.Contains([]string{"gpu", "json", "sbatch", "rate", "help"}, flag.Name) // plan's, not run's
		if !flag.Changed || own || flag.Name == "device" && f.gpus != "" {
			return
		}
		values := []string{flag.Value.String()}
		if several, ok := flag.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		for _, v := range values {
			switch {
			case flag.Value.Type() == "bool" && v == "true":
				lines = append(lines, "--"+flag.Name)
			case flag.Value.Type() == "bool", strings.HasPrefix(v, "-"):
				lines = append(lines, "--"+flag.Name+"="+quoted(v))
			default:
				lines = append(lines, "--"+flag.Name+" "+quoted(v))
			}
		}
	})
	return lines
}

// quoted returns a word in the form that bash reads back.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=+,@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
