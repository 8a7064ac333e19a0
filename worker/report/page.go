package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"path/filepath"
	"strings"
	"time"

	"fluxworker/worker/report/chart"
	"fluxworker/worker/status"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var pageCSS string

// layout returns the template of the page. Everything that comes from rows, records and servers goes through its escaping.
func layout() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"style":   func() template.CSS { return template.CSS(pageCSS) },
		"marker":  func() template.HTML { return template.HTML(marker) },
		"grouped": grouped,
		"table":   func(title string, rows []setting) settings { return settings{title, rows} },
		"time":    func(t time.Time) string { return t.UTC().Format(timeFormat) },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"percent": func(v float64) string { return fmt.Sprintf("%.1f", v) },
	}).Parse(pageHTML))
}

// page is what the template shows.
type page struct {
	Name    string // of the output
	Version string
	Made    time.Time
	State   string
	Lead    string
	Figures []figure
	Notes   []string
	NoText  bool

	OverTime []picture
	Marks    []legend
	Events   []event
	Left     string // what pictures and table lack of the events
	MoreGPUs int
	GPUs     []*gpuView

	Distributions []picture
	Reasons       []counted
	Failures      []failureGroup

	Timeline *picture
	Attempts []attemptRow
	More     string // what the table of attempts lacks
	Sharded  bool

	Plan    *plan
	Answers []group
	Asked   string // why prompts are missing
}

// settings is a table of settings.
type settings struct {
	Title string
	Rows  []setting
}

// figure is a number at the top of the page.
type figure struct{ Name, Value, Note string }

// failureGroup is a code with the first rows that failed with it.
type failureGroup struct {
	counted
	First []answerView
}

// group is a group of rows with their answers.
type group struct {
	ID, Title, Note string
	Rows            []answerView
}

// answerView is a row with its prompt and its answer.
type answerView struct {
	CustomID string
	Line     int64
	Prompt   []turn
	Answer   string
	Message  string // of a failure
	Reason   string
	Tokens   string
	Bad      bool // cut or failed
}

// maxEvents is the largest number of events in the table.
const maxEvents = 100

// page returns what the template shows.
func (f *facts) page() page {
	p := page{
		Name: clip(filepath.Base(f.config.Output), maxName), Version: f.config.Version, Made: f.made, NoText: f.config.NoText, Notes: f.notes,
		State: f.state(), Lead: f.lead(), Figures: f.figures(), OverTime: f.overTime(), GPUs: f.gpus(), Distributions: f.distributions(),
		Reasons: f.rows.reasons.list(), Timeline: f.timeline(), Plan: f.plan(), Asked: clip(f.asked, 4*maxName), Sharded: len(f.runs) > 1,
	}
	p.Marks = marksLegend(f.events)
	p.Events = f.events[:min(len(f.events), maxEvents)]
	if n := len(f.events); n > chart.MaxMarks {
		p.Left = fmt.Sprintf("A picture marks the first %d of the %s events, and the list has the first %d.", chart.MaxMarks, grouped(int64(n)), len(p.Events))
	}
	p.MoreGPUs = max(0, len(p.GPUs)-maxGPUs)
	p.Attempts, p.More = f.attemptRows()
	if n := f.rows.damaged; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%s of the output cannot be read, and the numbers lack them. The next run sets such lines aside.", count(n, "line")))
	}
	if len(f.summaries()) == 0 {
		p.Notes = append(p.Notes, "The output has no records of its runs, as after a merge: the page shows what the lines say.")
	}
	for _, c := range f.rows.codes.list() {
		g := failureGroup{counted: c}
		if !f.config.NoText {
			g.First = views(f.rows.first[c.Name])
		}
		p.Failures = append(p.Failures, g)
	}
	if !f.config.NoText {
		p.Answers = f.groups()
	}
	return p
}

// state returns the state of the output in a word; "" without a record.
func (f *facts) state() string {
	if len(f.summaries()) == 0 {
		return ""
	}
	rank := []status.State{status.Running, status.Killed, status.Stopped, status.Waiting, status.Finished}
	for _, state := range rank {
		for _, s := range f.status.Shards {
			if s.State == state {
				return string(state)
			}
		}
	}
	return ""
}

// lead returns the sentence at the top of the page.
func (f *facts) lead() string {
	var b strings.Builder
	rows := count(f.rows.answered, "row")
	if all := f.status.Total.Rows; all > f.rows.answered+f.rows.failed {
		about := ""
		if f.status.Total.Estimated {
			about = "about "
		}
		rows = fmt.Sprintf("%s of %s%s rows", grouped(f.rows.answered), about, grouped(all))
	}
	be := "are"
	if rows == "1 row" {
		be = "is"
	}
	fmt.Fprintf(&b, "%s %s answered and ", rows, be)
	if f.rows.failed == 0 {
		b.WriteString("no row failed")
	} else {
		fmt.Fprintf(&b, "%s failed", grouped(f.rows.failed))
	}
	t := f.total()
	if t == nil {
		return b.String() + "."
	}
	fmt.Fprintf(&b, ", after %s in %s", chart.Seconds(rounded(f.axis.total)), count(int64(len(f.summaries())), "attempt"))
	if rate, tokens := f.speed(); rate > 0 {
		fmt.Fprintf(&b, ", at %s rows/s and %s tokens/s", chart.Number(rate), chart.Number(tokens))
	}
	if t.Energy != nil && t.Energy.KilowattHours != nil {
		fmt.Fprintf(&b, ", with %s kWh for the GPUs", chart.Number(*t.Energy.KilowattHours))
	}
	return b.String() + "."
}

// speed returns the answered rows and the written tokens for each second in which at least one run answered.
func (f *facts) speed() (rows, tokens float64) {
	took := f.askClock().total()
	if took <= 0 {
		return 0, 0
	}
	for _, s := range f.summaries() {
		rows += float64(s.OK)
		tokens += float64(s.TokensOut)
	}
	return rows / took, tokens / took
}

// figures returns the numbers at the top of the page.
func (f *facts) figures() []figure {
	list := []figure{{"rows answered", grouped(f.rows.answered), ""}, {"rows failed", grouped(f.rows.failed), ""}}
	if n := int64(len(f.rows.cut.rows)); n > 0 {
		list = append(list, figure{"answers cut", grouped(f.rows.reasons.counts[reasonLength]), "at max_tokens"})
	}
	list = append(list, figure{"tokens read", chart.Number(float64(f.rows.in.sum)), ""}, figure{"tokens written", chart.Number(float64(f.rows.out.sum)), ""})
	if f.rows.cached.sum > 0 {
		list[len(list)-2].Note = fmt.Sprintf("%.0f %% from a slot's cache", 100*float64(f.rows.cached.sum)/float64(max(1, f.rows.in.sum)))
	}
	t := f.total()
	if t == nil {
		return list
	}
	if rate, tokens := f.speed(); rate > 0 {
		list = append(list, figure{"rows per second", chart.Number(rate), ""}, figure{"tokens per second", chart.Number(tokens), "written"})
	}
	if e := t.Energy; e != nil {
		list = append(list, figure{"GPU time", chart.Seconds(rounded(e.GPUHours * 3600)), count(int64(e.GPUs), "GPU")})
		if e.KilowattHours != nil {
			list = append(list, figure{"energy", chart.Number(*e.KilowattHours) + " kWh", "of the GPUs"})
		}
		if e.TokensPerKWh != nil {
			list = append(list, figure{"tokens per kWh", chart.Number(*e.TokensPerKWh), "read and written"})
		}
		if e.CO2Grams != nil {
			list = append(list, figure{"CO₂", chart.Number(*e.CO2Grams) + " g", ""})
		}
	}
	return list
}

// groups returns the rows to look at.
func (f *facts) groups() []group {
	rs := f.rows
	sample := fmt.Sprintf("%s by chance, with seed %d: the same rows for the same seed.", count(int64(len(rs.sample.rows)), "answered row"), f.config.Seed)
	all := []group{
		{"sample", "A sample", sample, views(rowsOf(rs.sample))},
		{"longest", "The longest answers", "", views(rowsOf(rs.longest))},
		{"shortest", "The shortest answers", "", views(rowsOf(rs.shortest))},
		{"cut", "Answers that were cut", "The answer ended at max_tokens (finish reason length).", views(rowsOf(rs.cut))},
		{"failed", "Failed rows", "", views(rowsOf(rs.failures))},
	}
	var some []group
	for _, g := range all {
		if len(g.Rows) > 0 {
			some = append(some, g)
		}
	}
	return some
}

func rowsOf(b *best) []shownRow {
	list := make([]shownRow, len(b.rows))
	for i, r := range b.rows {
		list[i] = r.row
	}
	return list
}

// views returns rows as the page shows them.
func views(rows []shownRow) []answerView {
	list := make([]answerView, len(rows))
	for i, r := range rows {
		v := answerView{CustomID: r.customID, Line: r.line, Prompt: r.prompt, Answer: r.answer, Reason: r.reason}
		if v.Bad = r.code != "" || r.reason == reasonLength; r.code != "" {
			v.Reason, v.Message = r.code, r.message
		}
		if r.in >= 0 {
			v.Tokens = fmt.Sprintf("%s tokens in, %s out", grouped(r.in), grouped(r.out))
		}
		list[i] = v
	}
	return list
}
