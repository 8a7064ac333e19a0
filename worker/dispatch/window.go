package dispatch

import (
	"slices"

	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/tokens"
)

const (
	// lookAheadRows limits the rows among which the queue looks for a row with a shared prefix.
	lookAheadRows = tokens.LookAheadRows
	// sharingShare is the share of the waiting rows with a relative from which the rows that wait at a server's door cost more
	// than they win: a row at the door takes whatever slot falls free, and another row's prefix leaves this slot.
	sharingShare = 0.25
)

// window holds the tasks that wait, in their order, and chooses the next task for an asker: a task that shares a prefix with
// the asker's last task, so that the server's slot has read the beginning of the prompt already.
//
// Rows with the same block behind the base are a group. The base is what most waiting rows have in common, such as a system
// message: it is in every slot anyway, and no reason to wait for a slot.
type window struct {
	limit   int64 // bytes of the waiting rows
	tasks   []*waitingTask
	bytes   int64
	base    int // levels
	added   int // tasks since the base was chosen
	groups  map[uint64]group
	shared  int // tasks with a relative, that is another task of their group
	several int // tasks with several answers, which are relatives of themselves: each further answer reads the same prompt
	over    record.SharedPrefixes
}

// group counts the tasks of a group since its first task came.
type group struct {
	rows    int64 // waiting, given out and done
	waiting int
}

type waitingTask struct {
	task
	group uint64 // the hash at the first level behind the base; 0 without such a level
	bytes int64
	load  load // of an embedding; zero before it is known
}

// several reports whether the task reads its prompt several times.
func (t *waitingTask) several() bool { return len(t.prefix) > 0 && t.row.Request.Answers() > 1 }

func newWindow(limit int64) *window { return &window{limit: limit, groups: make(map[uint64]group)} }

// full reports whether no further row should be read ahead. An empty window is never full.
func (w *window) full() bool {
	return len(w.tasks) >= lookAheadRows || len(w.tasks) > 0 && w.bytes >= w.limit
}

// add adds a task: a task that comes back goes before all others.
func (w *window) add(t task, cameBack bool) {
	e := &waitingTask{task: t, group: w.groupOf(t.prefix), bytes: int64(bytesOf(&t.row.Request))}
	at := len(w.tasks)
	if cameBack {
		at = 0
	}
	w.tasks = slices.Insert(w.tasks, at, e)
	w.bytes += e.bytes
	w.enter(e.group, cameBack)
	if e.several() {
		w.several++
	}
	if w.added++; w.added > len(w.tasks)/4 {
		w.rebase()
	}
}

// remove removes the task with the given index.
func (w *window) remove(i int) {
	e := w.tasks[i]
	w.tasks = slices.Delete(w.tasks, i, i+1)
	w.bytes -= e.bytes
	w.leave(e.group)
	if e.several() {
		w.several--
	}
}

// enter counts a task of a group that waits.
func (w *window) enter(id uint64, cameBack bool) {
	if id == 0 {
		return
	}
	g := w.groups[id]
	w.shared += relatives(g.waiting+1) - relatives(g.waiting)
	g.waiting++
	if !cameBack {
		g.rows++
	}
	w.groups[id] = g
}

// leave counts a task of a group that waits no longer. A group is over when none of its tasks waits.
func (w *window) leave(id uint64) {
	if id == 0 {
		return
	}
	g := w.groups[id]
	w.shared += relatives(g.waiting-1) - relatives(g.waiting)
	if g.waiting--; g.waiting > 0 {
		w.groups[id] = g
		return
	}
	w.over.Add(g.rows)
	delete(w.groups, id)
}

// relatives returns the number of tasks with a relative among so many waiting tasks of a group.
func relatives(waiting int) int {
	if waiting < 2 {
		return 0
	}
	return waiting
}

// met returns the groups so far, by the rows that were given out.
func (w *window) met() record.SharedPrefixes {
	met := w.over
	for _, g := range w.groups {
		met.Add(g.rows - int64(g.waiting))
	}
	return met
}

// shares reports whether so many tasks have a relative that nothing should wait at the servers' doors.
func (w *window) shares() bool {
	return float64(w.shared+w.several) > sharingShare*float64(len(w.tasks))
}

func (w *window) groupOf(p prompt.Prefix) uint64 {
	if len(p) <= w.base {
		return 0
	}
	return p[w.base]
}

// rebase chooses the base anew: the longest prefix of a task that more than half of the tasks have. The first, the middle and
// the last task are tried, since a prefix that most tasks have is that of one of them, as a rule.
func (w *window) rebase() {
	was, n := w.base, len(w.tasks)
	w.added, w.base = 0, 0
	for _, i := range []int{0, n / 2, n - 1} {
		candidate := w.tasks[i].prefix
		levels := make([]int, len(candidate)+1) // number of tasks by levels in common
		for _, t := range w.tasks {
			levels[candidate.Common(t.prefix)]++
		}
		with := 0
		for level := len(candidate); level > w.base; level-- {
			if with += levels[level]; 2*with > n && n > 1 {
				w.base = level
				break
			}
		}
	}
	if w.base == was {
		return
	}
	clear(w.groups)
	w.shared = 0
	for _, t := range w.tasks {
		t.group = w.groupOf(t.prefix)
		w.enter(t.group, false)
	}
}

// choose returns the index of the task for an asker whose last task had the given prefix: the task that shares the most of it;
// else the first task of a group that no other asker has; else the first task, so that no slot stands empty. held reports
// whether another asker has the group. The window has a task.
func (w *window) choose(last prompt.Prefix, held func(group uint64) bool) int {
	if group := w.groupOf(last); group != 0 && w.groups[group].waiting > 0 {
		best, most := 0, -1
		for i, t := range w.tasks {
			if t.group != group {
				continue
			}
			if n := last.Common(t.prefix); n > most {
				best, most = i, n
			}
			if most == len(last) {
				break
			}
		}
		return best
	}
	if w.shared == 0 {
		return 0
	}
	free := make(map[uint64]bool, 8) // groups that were looked up
	for i, t := range w.tasks {
		if t.group == 0 {
			return i
		}
		is, known := free[t.group]
		if !known {
			is = !held(t.group)
			free[t.group] = is
		}
		if is {
			return i
		}
	}
	return 0
}

// prefixOfRow returns the prefix of a row, or nil where the order of the input is wanted.
func (q *Queue) prefixOfRow(row *prompt.Row) prompt.Prefix {
	if q.order.AsInput {
		return nil
	}
	return prompt.PrefixOf(q.seed, &row.Request)
}
