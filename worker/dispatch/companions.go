package dispatch

import (
	"context"

	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

const (
	// maxTexts limits the texts of a shared request. More texts win less than the noise of a measurement on both generations
	// (test/bench, figure k).
	maxTexts = 32
	// maxLoad limits the texts of a shared request, in tokens as package tokens estimates them. From there on the cost of a
	// request is next to nothing, and an answer with the vectors of longer texts would only come later.
	maxLoad = 8192
)

// load is what the texts of an embedding ask of a server.
type load struct {
	texts   int
	weight  int // of all texts together, in tokens by estimate
	longest int // the weight of the longest text
}

func loadOf(e *prompt.Embedding) load {
	weight, longest := tokens.Texts(e)
	return load{texts: len(e.Input), weight: weight, longest: longest}
}

// joining is the wish of an asker for companions: tasks that may share the request of its task.
type joining struct {
	with  *prompt.Request
	room  load // of all companions; longest is the bound of each text
	reply chan []task
}

// mayShare reports whether a task may share a request with other tasks. A task that any server has failed is asked alone: it
// may be the cause.
func (t *task) mayShare() bool {
	return t.row.Request.Embedding != nil && !t.alone && t.retries+t.exhausted+t.deaths == 0
}

// companions waits for the answer of the queue to a joining. Without companions, and at the end of the queue, it returns none.
func (q *Queue) companions(ctx context.Context, j joining) []task {
	j.reply = make(chan []task)
	select {
	case q.joins <- j:
		return <-j.reply
	case <-q.ended:
	case <-ctx.Done():
	}
	return nil
}

// join takes out of the window the tasks for a joining, at most so many: the first tasks that fit. inOrder means that no task
// may overtake another task.
func (w *window) join(j joining, most int, inOrder bool) []task {
	var joined []task
	left := j.room
	for i := 0; i < len(w.tasks) && len(joined) < most; {
		e := w.tasks[i]
		switch {
		case e.fits(j.with, left):
			left.texts -= e.load.texts
			left.weight -= e.load.weight
			joined = append(joined, e.task)
			w.remove(i)
		case inOrder:
			return joined
		default:
			i++
		}
	}
	return joined
}

// fits reports whether a task may share the request of another task, and its texts have room.
func (e *waitingTask) fits(with *prompt.Request, left load) bool {
	own := e.row.Request.Embedding
	if !e.mayShare() || own.Dimensions != with.Embedding.Dimensions || e.row.Request.Model != with.Model || len(own.Input) > left.texts {
		return false
	}
	if e.load.texts == 0 {
		e.load = loadOf(own)
	}
	return e.load.weight <= left.weight && e.load.longest <= left.longest
}
