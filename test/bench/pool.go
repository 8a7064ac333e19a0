package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fluxworker/test/gpu/synthetic"
)

// The rows of figure j: of ten rows one is eight times as long as each of the others. Half of a row is its answer. A KV cache of
// mixedCells cells holds 16 slots of the short context, or 2 of the long context, in tokens.
const (
	mixedPrompt  = 56
	mixedTimes   = 8
	shortContext = 128
	longContext  = mixedTimes * shortContext
	mixedCells   = 2 * longContext
)

// mixedShape is a model whose attention costs something. The other test models are narrower, or end their answers after 36 tokens.
var mixedShape = synthetic.Shape{
	Name: "mixed", Arch: "llama", Layers: 2, Width: 512, Inner: 1408, Heads: 8, KVHeads: 2, HeadSize: 64, Vocabulary: 4096, Context: 8192,
}

// mixedRow is a row of figure j. Cells is the number of tokens of the prompt and the answer, with the token at the beginning.
type mixedRow struct {
	prompt string
	seed   int
	answer int // tokens
	cells  int
}

// mixedRows makes rows whose prompts share nothing. The model has one token for each byte of a prompt.
func mixedRows(count int) []mixedRow {
	random := rand.New(rand.NewPCG(1, 2)) // the same rows on each machine
	rows := make([]mixedRow, count)
	for i := range rows {
		length := mixedPrompt
		if i%10 == 0 {
			length *= mixedTimes
		}
		text := make([]byte, length)
		for j := range text {
			text[j] = byte('A' + random.IntN(26))
		}
		rows[i] = mixedRow{prompt: string(text), seed: i, answer: length, cells: 1 + 2*length}
	}
	random.Shuffle(count, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// mixed is the state of figure j.
type mixed struct {
	bench           *bench
	program, models string
	rows            []mixedRow
}

// pool is figure j: context passes, one pool of cells for all slots, and one context for all rows, with equal memory for the KV
// cache. The lengths of the rows are known, so the pool is as good as an admission by tokens can be.
func pool(ctx context.Context, b *bench) ([]line, error) {
	program, err := filepath.Abs(filepath.Join(engineFolder(), "n", "bin", "ollama"))
	if err != nil {
		return nil, err
	}
	m := mixed{bench: b, program: program, models: b.path("mixed-models"), rows: mixedRows(b.size.of(10, 40, 80))}
	if err := m.importModel(ctx); err != nil {
		return nil, fmt.Errorf("the new engine: %w (make engine builds it)", err)
	}
	isLong := func(r mixedRow) bool { return r.cells > shortContext }
	short := slices.DeleteFunc(slices.Clone(m.rows), isLong)
	long := slices.DeleteFunc(slices.Clone(m.rows), func(r mixedRow) bool { return !isLong(r) })
	var passes, pooled, fixed mixedSide
	side := func(s *mixedSide, parts ...part) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			var took, cpu time.Duration
			for _, p := range parts {
				t, c, err := m.measure(ctx, p)
				if err != nil {
					return err
				}
				took, cpu = took+t, cpu+c
			}
			s.took, s.cpu = append(s.took, took.Seconds()), append(s.cpu, cpu.Seconds())
			return nil
		}
	}
	err = repeat(ctx, b.size.of(1, 5, 9),
		side(&passes, part{rows: short, context: shortContext}, part{rows: long, context: longContext}),
		side(&pooled, part{rows: m.rows, context: shortContext, pool: true}),
		side(&fixed, part{rows: m.rows, context: longContext}))
	if err != nil {
		return nil, err
	}
	of := fmt.Sprintf("for %d rows in %d cells", len(m.rows), mixedCells)
	return []line{
		{
			id: "j", what: "time of context passes over that of one pool of cells, all lengths known", values: ratios(passes.took, pooled.took), goal: goal{atMost, 1.1},
			seen:  fmt.Sprintf("%s s against %s s %s, starts of servers not counted", number(passes.took.median()), number(pooled.took.median()), of),
			limit: "in the pool the attention of each token goes over the cells of all rows",
		},
		{
			id: "j", what: "CPU of the server with context passes over that with the pool", values: ratios(passes.cpu, pooled.cpu),
			seen:  fmt.Sprintf("%s s against %s s %s, starts included", number(passes.cpu.median()), number(pooled.cpu.median()), of),
			limit: "as above; another load on the machine bends it less than the times",
		},
		{
			id: "j", what: "time of one context for all rows over that of context passes", values: ratios(fixed.took, passes.took),
			seen:  fmt.Sprintf("%s s against %s s %s, starts of servers not counted", number(fixed.took.median()), number(passes.took.median()), of),
			limit: "a CPU gains little from rows in parallel",
		},
	}, nil
}

// mixedSide is one side of figure j, in seconds, one value for each turn.
type mixedSide struct{ took, cpu sample }

// part is a server, and the rows that it is asked. With a pool the slots share all cells.
type part struct {
	rows    []mixedRow
	context int // tokens of a slot
	pool    bool
}

// importModel writes the model, and lets the engine import it.
func (m *mixed) importModel(ctx context.Context) error {
	file, recipe := m.bench.path("mixed.gguf"), m.bench.path("mixed.Modelfile")
	if err := errors.Join(mixedShape.Write(file), os.WriteFile(recipe, []byte("FROM "+file+"\n"), 0o600)); err != nil {
		return err
	}
	e, err := m.bench.engine(ctx, m.program, m.models, engineSlots, longContext)
	if err != nil {
		return err
	}
	defer e.stop()
	_, err = m.bench.process(ctx, process{
		dir: m.bench.scratch, program: m.program, args: []string{"create", mixedShape.Name, "-f", recipe},
		env: []string{"HOME=" + m.bench.scratch, "OLLAMA_HOST=" + e.url},
	})
	return err
}

// measure starts the server of a part. It returns the time for the part's rows, and the CPU time of the server, its start included.
func (m *mixed) measure(ctx context.Context, p part) (took, cpu time.Duration, _ error) {
	slots := mixedCells / p.context
	env := []string{"OLLAMA_FLASH_ATTENTION=1"}
	inFlight, cells := slots+slots/4, math.MaxInt
	if p.pool {
		env = append(env, "LLAMA_ARG_KV_UNIFIED=1")
		inFlight, cells = slots, mixedCells
	}
	e, err := m.bench.engine(ctx, m.program, m.models, slots, p.context, env...)
	if err != nil {
		return 0, 0, err
	}
	err = askMixed(ctx, e.url, mixedRow{prompt: "A", answer: 1}, p.context) // loads the model
	began := time.Now()
	if err == nil {
		err = admit(ctx, p.rows, inFlight, cells, func(ctx context.Context, r mixedRow) error { return askMixed(ctx, e.url, r, p.context) })
	}
	took = time.Since(began)
	e.stop()
	return took, e.cmd.ProcessState.UserTime() + e.cmd.ProcessState.SystemTime(), err
}

// admit asks all rows, at most inFlight at once, whose cells are together at most the given number. The longest row that fits is
// next: so the pool is full from the beginning, and short rows fill the rest.
func admit(ctx context.Context, rows []mixedRow, inFlight, cells int, ask func(context.Context, mixedRow) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type end struct {
		cells int
		err   error
	}
	ends := make(chan end)
	waiting := slices.SortedStableFunc(slices.Values(rows), func(a, b mixedRow) int { return cmp.Compare(b.cells, a.cells) })
	var failed error
	for flying := 0; ; {
		for flying < inFlight && failed == nil {
			at := slices.IndexFunc(waiting, func(r mixedRow) bool { return r.cells <= cells })
			if at < 0 {
				break
			}
			r := waiting[at]
			waiting = slices.Delete(waiting, at, at+1)
			flying, cells = flying+1, cells-r.cells
			go func() { ends <- end{r.cells, ask(ctx, r)} }()
		}
		if flying == 0 {
			break
		}
		e := <-ends
		flying, cells = flying-1, cells+e.cells
		if e.err != nil && failed == nil {
			failed = e.err
			cancel()
		}
	}
	if failed == nil && len(waiting) > 0 {
		return fmt.Errorf("%d rows do not fit into %d cells", len(waiting), cells)
	}
	return failed
}

// askMixed asks a server a row. At such a temperature the seed alone decides the tokens: all sides get the same answers, and no token
// comes so often in sequence that Ollama aborts the answer.
func askMixed(ctx context.Context, url string, r mixedRow, context int) error {
	body, err := json.Marshal(map[string]any{
		"model": mixedShape.Name, "prompt": r.prompt, "raw": true, "stream": false, "truncate": false, "shift": false,
		"options": map[string]any{"num_ctx": context, "num_batch": 512, "num_thread": 1, "num_predict": r.answer,
			"seed": r.seed, "temperature": 1000, "top_k": 0, "top_p": 1, "min_p": 0},
	})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/generate", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Done      bool
		EvalCount int `json:"eval_count"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != http.StatusOK || !answer.Done || answer.EvalCount != r.answer {
		return fmt.Errorf("a row of %d tokens: the server says %s, done %t, %d tokens of %d: %w", r.cells, response.Status, answer.Done, answer.EvalCount, r.answer, cmp.Or(err, tail(text)))
	}
	return nil
}
