package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// engineSlots is the number of slots of a real engine here; it computes with one thread.
const engineSlots = 8

// engines is figure c: the makespan over a closed loop's where real engines answer. Each engine serves both sides in turns.
// What is taken is a process's whole life, less that of one with a single row.
func engines(ctx context.Context, b *bench) ([]line, error) {
	return b.onEachEngine(ctx, engineSlots, 512, func(ctx context.Context, e *engine) ([]line, error) {
		rows := rows{count: b.size.of(16, 480, 2400), bytes: shortRow, last: longAnswer}
		if e.isNew {
			rows.count = b.size.of(16, 240, 960)
		}
		l, err := b.onEngine(ctx, e, rows)
		l.what = fmt.Sprintf("makespan of `fluxworker run` over a closed loop's, %s, %d slots", e.name, engineSlots)
		return []line{l}, err
	})
}

// onEachEngine measures on a server of each generation, with so many slots of so many tokens.
func (b *bench) onEachEngine(ctx context.Context, slots, context int, measure func(context.Context, *engine) ([]line, error)) ([]line, error) {
	folder := engineFolder()
	var lines []line
	for _, g := range []struct {
		folder, name string
	}{{"o", "Ollama v0.24.0"}, {"n", "Ollama v0.34.3"}} {
		e, err := b.engine(ctx, filepath.Join(folder, g.folder, "bin", "ollama"), filepath.Join(folder, "models"), slots, context)
		if err != nil {
			return lines, fmt.Errorf("%s: %w (make engine builds it)", g.name, err)
		}
		e.name, e.isNew = g.name, g.folder == "n"
		measured, err := measure(ctx, e)
		e.stop()
		if err != nil {
			return lines, fmt.Errorf("%s: %w", g.name, err)
		}
		lines = append(lines, measured...)
	}
	return lines, nil
}

// engineFolder returns the folder into which make engine has put the engines and their model.
func engineFolder() string {
	if folder := os.Getenv("FLUXWORKER_ENGINE_DIR"); folder != "" {
		return folder
	}
	return filepath.Join(".cache", "engine")
}

func (b *bench) onEngine(ctx context.Context, e *engine, many rows) (line, error) {
	settings := []string{"--context", "512"}
	one := many
	one.count = 1
	ours := func(ctx context.Context, r rows) (usage, error) {
		ran, err := b.run(ctx, job{input: r, url: e.url, slots: engineSlots, more: settings})
		return ran.usage, err
	}
	bare := func(ctx context.Context, r rows) (usage, error) {
		return b.loop(ctx, e.url, engineSlots, r, settings...)
	}
	if _, err := ours(ctx, one); err != nil { // loads the model
		return line{}, err
	}
	var spans [2]sample
	side := func(n int, client func(context.Context, rows) (usage, error)) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			span, err := beyond(ctx, client, one, many)
			spans[n] = append(spans[n], span)
			return err
		}
	}
	if err := repeat(ctx, b.size.of(1, 5, 7), side(0, ours), side(1, bare)); err != nil {
		return line{}, err
	}
	return line{
		id: "c", values: ratios(spans[0], spans[1]), goal: goal{atMost, 1.01},
		seen:  fmt.Sprintf("%s s against %s s for %d rows", number(spans[0].median()), number(spans[1].median()), many.count),
		limit: "the engine, which has the same cores",
	}, nil
}

// engine is a running real server.
type engine struct {
	name  string
	isNew bool // of the new generation
	cmd   *exec.Cmd
	url   string
	said  chan struct{} // closed when it has said everything
}

// engine starts a real server with so many slots of so many tokens, which must be stopped. env has further variables.
func (b *bench) engine(ctx context.Context, program, models string, slots, context int, env ...string) (*engine, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	if models, err = filepath.Abs(models); err != nil {
		return nil, err
	}
	home, _, err := b.folder("home-")
	if err != nil {
		return nil, err
	}
	e := &engine{cmd: exec.CommandContext(ctx, program, "serve"), said: make(chan struct{})}
	e.cmd.Env = environment(append([]string{"HOME=" + home, "TMPDIR=" + home, "OLLAMA_HOST=127.0.0.1:0", "OLLAMA_MODELS=" + models, "OLLAMA_NUM_PARALLEL=" + strconv.Itoa(slots),
		"OLLAMA_CONTEXT_LENGTH=" + strconv.Itoa(context), "OLLAMA_KEEP_ALIVE=-1", "OLLAMA_NOPRUNE=1", "LLAMA_ARG_CACHE_RAM=0", "LLAMA_ARG_CTX_CHECKPOINTS=0"}, env...)...) // as fluxworker starts it
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has runners
	output, err := e.cmd.StderrPipe()
	if err == nil {
		err = e.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReader(output)
	if e.url, err = addressIn(lines); err != nil {
		e.cmd.Process.Kill()
		e.cmd.Wait()
		return nil, err
	}
	go func() {
		defer close(e.said)
		io.Copy(io.Discard, lines)
	}()
	return e, nil
}

// stop ends the server and its runners.
func (e *engine) stop() {
	e.cmd.Process.Signal(syscall.SIGTERM)
	<-e.said
	e.cmd.Wait()
	syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL) // what is left of the group; mostly nothing
}
