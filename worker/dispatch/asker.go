package dispatch

import (
	"context"
	"slices"

	"fluxworker/worker/prompt"
)

// asker takes rows from a queue, one after the other, for one row in flight of a server.
type asker struct {
	ctx    context.Context
	atDoor bool // its row waits at the server's door until a slot is free
	reply  chan task

	// These belong to the queue.
	last prompt.Prefix // of the last task
	busy bool          // with the last task
}

// newAsker makes an asker that takes rows until the context ends.
func newAsker(ctx context.Context, atDoor bool) *asker {
	return &asker{ctx: ctx, atDoor: atDoor, reply: make(chan task)}
}

// take waits for the next task of an asker, whose last task is over. It returns false at the end of the queue, and when the
// asker's context ends.
func (q *Queue) take(a *asker) (task, bool) {
	select {
	case q.asks <- a:
	case <-q.ended:
		return task{}, false
	case <-a.ctx.Done():
		return task{}, false
	}
	select {
	case t := <-a.reply:
		return t, true
	case <-q.ended:
		return task{}, false
	case <-a.ctx.Done():
		return task{}, false
	}
}

// askers are the askers of a queue.
type askers struct {
	all     []*asker // those that have asked
	waiting []*asker // for a task, in the order in which they asked
}

// add adds an asker that waits for a task.
func (s *askers) add(a *asker) {
	a.busy = false
	s.waiting = append(s.waiting, a)
	if !slices.Contains(s.all, a) {
		s.all = slices.DeleteFunc(s.all, func(a *asker) bool { return a.ctx.Err() != nil })
		s.all = append(s.all, a)
	}
}

// living returns the number of askers that may ask again.
func (s *askers) living() int {
	n := 0
	for _, a := range s.all {
		if a.ctx.Err() == nil {
			n++
		}
	}
	return max(n, 1)
}

// offer is a task for a waiting asker. The zero offer has no asker, and its channels block.
type offer struct {
	asker *asker
	index int // of the task in the window
	task  task
	reply chan<- task
	gone  <-chan struct{} // the asker waits no longer
}

// next returns the next offer: for the first asker that waits. While waiting rows share prefixes, an asker at a server's door
// gets nothing: its row would take any slot.
func (s *askers) next(w *window) offer {
	if len(w.tasks) == 0 || len(s.waiting) == 0 {
		return offer{}
	}
	shares := w.shares()
	for _, a := range s.waiting {
		if a.atDoor && shares {
			continue
		}
		i := w.choose(a.last, func(group uint64) bool { return s.held(w, group) })
		return offer{a, i, w.tasks[i].task, a.reply, a.ctx.Done()}
	}
	return offer{}
}

// held reports whether an asker has a task of the group.
func (s *askers) held(w *window, group uint64) bool {
	return slices.ContainsFunc(s.all, func(a *asker) bool { return a.busy && w.groupOf(a.last) == group && a.ctx.Err() == nil })
}

// serve notes that an offer was taken.
func (s *askers) serve(o offer) {
	o.asker.last, o.asker.busy = o.task.prefix, true
	s.remove(o.asker)
}

// remove removes an asker that waits no longer.
func (s *askers) remove(a *asker) {
	if i := slices.Index(s.waiting, a); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}
