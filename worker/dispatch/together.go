package dispatch

import (
	"context"
	"errors"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// A shared request has the texts of several embedding rows. Of a short text the request takes more time than the vector, and an
// embedding model has one slot. Each row keeps its own line. After a shared request that failed, each of its rows is asked
// alone, so that the error, the retries and the end of a server are those of the row itself.

// companions returns waiting tasks that share the request of the given task.
func (l *Lane) companions(ctx context.Context, t *task) []task {
	most := l.pace.texts()
	if most == 1 || !t.mayShare() {
		return nil
	}
	own := loadOf(t.row.Request.Embedding)
	// A text that may be too long would let the other rows be asked twice. The estimate of half of the context is hardly ever
	// wrong by more than the other half.
	longest := l.server.Context() / 2
	room := load{texts: most - own.texts, weight: maxLoad - own.weight, longest: longest}
	if room.texts < 1 || room.weight < 1 || own.longest > longest {
		return nil
	}
	return l.queue.companions(ctx, joining{with: &t.row.Request, room: room})
}

// askTogether asks several rows with one request, and gives their tasks back to the queue, or ends them.
func (l *Lane) askTogether(ctx context.Context, tasks []task) error {
	tasks, err := l.deferTooLong(tasks)
	switch {
	case err != nil:
		l.finish(tasks)
		return err
	case len(tasks) == 0:
		return nil
	case len(tasks) == 1:
		return l.askAlone(ctx, tasks[0])
	}
	d := l.dispatcher
	room := d.answers.NewRoom(0)
	defer room.Release()
	room.Last()
	request := merged(tasks)
	began, before := time.Now(), l.completed.Load()
	l.asking.Add(int64(len(tasks)))
	a, err := l.server.Ask(ctx, d.config.RequestTimeout, request, room)
	l.asking.Add(-int64(len(tasks)))
	if err != nil {
		return l.apart(ctx, tasks, err, l.stalled(err, began, before))
	}
	took := time.Since(began)
	l.completed.Add(1)
	l.limiter.answered(time.Now(), int(l.asking.Load()))
	l.alive()
	l.pace.note(len(request.Embedding.Input), took)
	if d.deferrer != nil {
		d.deferrer.Learn(&prompt.Row{Request: request}, a)
	}
	defer l.finish(tasks)
	for i, own := range split(a, tasks) {
		d.answered(took)
		if err := d.sink.Answered(tasks[i].row, []*ollama.Answer{own}, 0); err != nil {
			return err
		}
	}
	return nil
}

// deferTooLong defers the rows that seem to need a longer context, and returns the tasks of the other rows.
func (l *Lane) deferTooLong(tasks []task) ([]task, error) {
	d := l.dispatcher
	if d.deferrer == nil {
		return tasks, nil
	}
	var rest []task
	for i := range tasks {
		deferred, err := d.deferrer.TooLong(&tasks[i].row)
		if err != nil {
			return append(rest, tasks[i:]...), err
		}
		if deferred {
			l.queue.finish()
			continue
		}
		rest = append(rest, tasks[i])
	}
	return rest, nil
}

// finish reports tasks as done.
func (l *Lane) finish(tasks []task) {
	for range tasks {
		l.queue.finish()
	}
}

// apart decides about the tasks of a shared request that failed: they are asked again, each alone. The failure counts neither as
// a try of the rows nor as a row without an answer.
func (l *Lane) apart(ctx context.Context, tasks []task, err error, stalled bool) error {
	d := l.dispatcher
	for i := range tasks {
		tasks[i].alone = true
	}
	failed, unavailable := errors.AsType[*ollama.UnavailableError](err)
	_, refused := errors.AsType[*ollama.RequestError](err)
	switch {
	case refused:
		l.completed.Add(1)
		l.alive()
	case errors.Is(err, ollama.ErrNoRoom): // a row that is asked alone waits for room
	case isLost(ctx, err), unavailable && l.server.Down(ctx, failed):
		for _, t := range tasks {
			l.diedWith(t)
		}
		return errLost
	case !unavailable:
		l.finish(tasks)
		return err
	case stalled && l.server.Own():
		l.endStalled()
	default:
		l.limiter.failed(time.Now())
		d.log.Warn().Int("rows", len(tasks)).Err(err).Msg("asking again, each row alone")
		for i := range tasks {
			tasks[i].notBefore = time.Now().Add(d.config.RetryDelay)
		}
	}
	for _, t := range tasks {
		l.queue.giveBack(t)
	}
	return nil
}

// merged returns a request with the texts of all tasks.
func merged(tasks []task) prompt.Request {
	request := tasks[0].row.Request
	all := &prompt.Embedding{Dimensions: request.Embedding.Dimensions}
	for i := range tasks {
		all.Input = append(all.Input, tasks[i].row.Request.Embedding.Input...)
	}
	request.Embedding = all
	return request
}

// split returns each task's own part of the answer to a merged request. The server counts the tokens of all texts together, so
// the count of a row is an estimate.
func split(a *ollama.Answer, tasks []task) []*ollama.Answer {
	weights := make([]int, len(tasks))
	for i := range tasks {
		weights[i], _ = tokens.Texts(tasks[i].row.Request.Embedding)
	}
	counts := tokens.Split(a.PromptTokens, weights)
	parts, vectors := make([]*ollama.Answer, len(tasks)), a.Vectors
	for i := range tasks {
		n := len(tasks[i].row.Request.Embedding.Input)
		parts[i] = &ollama.Answer{Vectors: vectors[:n], PromptTokens: counts[i], Estimated: true, Timings: a.Timings}
		vectors = vectors[n:]
	}
	return parts
}
