package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"fluxworker/batcher"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
)

// planOpenAI prints what a run with servers of OpenAI's API would do. The run plans no memory for such servers.
func (f *planFlags) planOpenAI(ctx context.Context, config worker.Config, flags *pflag.FlagSet, s settings, console *console) error {
	info, err := config.Inspector(console.log, os.DevNull).Inspect(ctx)
	if err != nil {
		return err
	}
	slots, inFlight, value, rows := config.Request.Slots, 0, automatic, fmt.Sprintf("as many as each server answers best, up to %d; the run finds the number", batcher.InFlight(batcher.MaxFoundSlots))
	if slots > 0 {
		inFlight, value = batcher.InFlight(slots), strconv.Itoa(slots)
		rows = fmt.Sprintf("%d for each server", inFlight)
	}
	sources := f.run.withSources([]batcher.Source{{What: batcher.SlotsWanted, Value: value, From: or(originOf(flags.Lookup("slots")), "default")}}, flags, s)
	if f.asJSON {
		return json.NewEncoder(jsonEscaper{os.Stdout}).Encode(struct {
			Server   string           `json:"server,omitempty"` // that runs already
			Command  []string         `json:"command,omitempty"`
			Servers  int              `json:"servers"`
			Engine   string           `json:"engine,omitempty"`
			Slots    int              `json:"slots,omitempty"` // absent where the run finds the number
			InFlight int              `json:"in_flight,omitempty"`
			Sources  []batcher.Source `json:"sources"`
		}{runningAt(config.Server), config.Server.Command, config.Server.OpenAI.Servers, info.Engine, slots, inFlight, sources})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printf(w, "model\t%s\n", s.model.Name)
	if address := runningAt(config.Server); address != "" {
		printf(w, "server\t%s, which runs already and has OpenAI's API (%s); nothing is started, and no memory is planned\n", address, or(info.Engine, "it does not tell its name"))
	} else {
		printf(w, "servers\t%d, each by the command %s; the GPUs of the job are shared out evenly, and no memory is planned\n", config.Server.OpenAI.Servers, strings.Join(config.Server.Command, " "))
	}
	printf(w, "rows at once\t%s; fewer while a server says that it is busy\n", rows)
	printf(w, "\nWHAT\tVALUE\tFROM\n")
	for _, s := range sources {
		printf(w, "%s\t%s\t%s\n", s.What, s.Value, s.From)
	}
	return w.Flush()
}

// runningAt returns the address of a server that runs already, or "".
func runningAt(s fleet.Settings) string {
	if s.URL == "" {
		return ""
	}
	return s.Address()
}
