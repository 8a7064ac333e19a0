package report

import (
	"fmt"
	"strings"

	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// setting is a name with a value, for the tables of settings.
type setting struct{ Name, Value string }

// serverRow is a server in the table of the plan.
type serverRow struct {
	Number            int
	GPUs              string
	Slots, Context    int
	Planned, Measured string
	Note              string
}

// term is a term of the memory of a server.
type term struct{ Name, Bytes, Note string }

// plan is the newest manifest as tables.
type plan struct {
	Model, Requests, Servers []setting
	Rows                     []serverRow
	Terms                    []term
	Note                     string
}

// maxServers is the largest number of servers in the table.
const maxServers = 64

// plan returns the tables of the newest manifest; nil without a manifest.
func (f *facts) plan() *plan {
	m, others := f.newest()
	if m == nil {
		return nil
	}
	p := &plan{Model: modelOf(m), Requests: requestsOf(m.Requests), Servers: planOf(m)}
	if len(f.runs) > 1 {
		p.Note = "The servers are those of the shard that started last."
		if others > 0 {
			p.Note += fmt.Sprintf(" %s with other settings of the requests.", count(int64(others), "shard"))
		}
	}
	for i, s := range m.Plan.Servers[:min(len(m.Plan.Servers), maxServers)] {
		row := serverRow{Number: i, GPUs: clip(strings.Join(s.GPUs, ", "), 4*maxName), Slots: s.Slots, Context: s.Context}
		if s.Bytes > 0 {
			row.Planned = size(s.Bytes)
		}
		var measured []string
		for _, b := range s.MeasuredBytes {
			measured = append(measured, size(b))
		}
		row.Measured = strings.Join(measured, ", ")
		var notes []string
		if s.PlannedSlots > 0 {
			notes = append(notes, fmt.Sprintf("%d slots were planned", s.PlannedSlots))
		}
		if !s.Isolated && m.Plan.URL == "" {
			notes = append(notes, "not isolated")
		}
		if s.LeftOut != "" && f.config.NoText {
			notes = append(notes, "excluded")
		} else if s.LeftOut != "" {
			notes = append(notes, "excluded: "+clip(s.LeftOut, maxMessage))
		}
		row.Note = strings.Join(notes, "; ")
		p.Rows = append(p.Rows, row)
	}
	if len(m.Plan.Servers) > 0 {
		for _, t := range m.Plan.Servers[0].Terms {
			p.Terms = append(p.Terms, term{t.Name, size(t.Bytes), t.Note})
		}
	}
	return p
}

// list collects settings, without those that have no value.
type list []setting

func (l *list) add(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" && text != "0" {
		*l = append(*l, setting{name, clip(text, maxMessage)})
	}
}

func modelOf(m *record.Manifest) []setting {
	var l list
	l.add("model", "%s", m.Requests.Model)
	l.add("digest", "%.19s", m.Server.Digest)
	l.add("family", "%s", m.Server.Family)
	l.add("parameters", "%s", m.Server.Parameters)
	l.add("quantization", "%s", m.Server.Quantization)
	if m.Server.WeightsBytes > 0 {
		l.add("weights", "%s", size(m.Server.WeightsBytes))
	}
	l.add("GGUF file", "%s", m.Plan.GGUF)
	l.add("Ollama", "%s", m.Server.Version)
	l.add("engine", "%s", m.Server.Engine)
	l.add("fluxworker", "%s", m.Version)
	return l
}

func requestsOf(q record.Requests) []setting {
	var l list
	l.add("max_tokens", "%d", max(0, q.Sampling.MaxTokens)) // prompt.Unset is less than 0
	if t := q.Sampling.Temperature; t != prompt.Unset {
		l = append(l, setting{"temperature", fmt.Sprint(t)}) // 0 is a value
	}
	l.add("top_p", "%v", max(0, q.Sampling.TopP))
	l.add("top_k", "%d", max(0, q.Sampling.TopK))
	if q.OpenAI {
		l.add("other options", "as the row has them, or as the server decides")
	}
	if q.Sampling.Seed != nil {
		l = append(l, setting{"seed", fmt.Sprint(*q.Sampling.Seed)})
	}
	if n := len(q.Sampling.Stop); n > 0 {
		l.add("stop", "%s", count(int64(n), "text"))
	}
	for _, hashed := range []setting{
		{"system prompt, SHA-256", q.System}, {"JSON Schema, SHA-256", q.Schema}, {"few-shot examples, SHA-256", q.Examples}, {"prompt template, SHA-256", q.PromptTemplate},
	} {
		l.add(hashed.Name, "%.16s", hashed.Value)
	}
	if q.Object {
		l.add("answers", "JSON objects")
	}
	l.add("prompt column", "%s", q.PromptColumn)
	l.add("messages column", "%s", q.MessagesColumn)
	l.add("id column", "%s", q.IDColumn)
	return l
}

func planOf(m *record.Manifest) []setting {
	var l list
	l.add("slots", "%d", m.Plan.Slots)
	l.add("rows in flight, at most", "%d", m.Plan.InFlight)
	l.add("context of a slot, in tokens", "%d", m.Plan.Context)
	l.add("KV cache", "%s", m.Plan.Cache)
	l.add("ubatch, in tokens", "%d", m.Plan.Ubatch)
	l.add("device", "%s", m.Plan.Device)
	l.add("threads of a server", "%d", m.Plan.Threads)
	if m.Plan.URL != "" {
		l.add("server", "a server that ran already")
	}
	if m.Input.Path == prompt.Stdin {
		l.add("input", "standard input")
	} else {
		l.add("input", "%s", m.Input.Path)
	}
	l.add("host", "%s", m.Host)
	return l
}
