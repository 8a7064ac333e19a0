package dispatch

import (
	"slices"

	"fluxworker/worker/prompt"
)

const (
	// lookAheadRows limits the rows among which the queue looks for a row with a shared prefix.
	lookAheadRows = 1024
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
	limit  int64 // bytes of the waiting rows
	tasks  []*waitingTask
	bytes  int64
	base   int // levels
	added  int // tasks since the base was chosen
	groups map[uint64]int
	shared int // tasks with a relative, that is another task of their group
}

type waitingTask struct {
	task
	group uint64 // the hash at the first level behind the base; 0 without such a level
	bytes int64
	load  load // of an embedding; zero before it is known
}

func newWindow(limit int64) *window { return &window{limit: limit, groups: make(map[uint64]int)} }

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
	w.count(e.group, 1)
	if w.added++; w.added > len(w.tasks)/4 {
		w.rebase()
	}
}

// remove removes the task with the given index.
func (w *window) remove(i int) {
	e := w.tasks[i]
	w.tasks = slices.Delete(w.tasks, i, i+1)
	w.bytes -= e.bytes
	w.count(e.group, -1)
}

// count adds to the number of waiting tasks of a group, and keeps the number of tasks with a relative.
func (w *window) count(group uint64, change int) {
	if group == 0 {
		return
	}
	relatives := func(n int) int {
		if n > 1 {
			return n
		}
		return 0
	}
	was := w.groups[group]
	is := was + change
	w.shared += relatives(is) - relatives(was)
	if is == 0 {
		delete(w.groups, group)
		return
	}
	w.groups[group] = is
}

// shares reports whether so many tasks have a relative that nothing should wait at the servers' doors.
func (w *window) shares() bool { return float64(w.shared) > sharingShare*float64(len(w.tasks)) }

func (w *window) groupOf(p prefix) uint64 {
	if len(p) <= w.base {
		return 0
	}
	return p[w.base]
}

// rebase chooses the base anew: the longest prefix of a task that more than half of the tasks have. The first, the middle and
// the last task are tried, since a prefix that most tasks have is that of one of them, as a rule.
func (w *window) rebase() {
	w.added, w.base = 0, 0
	n := len(w.tasks)
	for _, i := range []int{0, n / 2, n - 1} {
		candidate := w.tasks[i].prefix
		levels := make([]int, len(candidate)+1) // number of tasks by levels in common
		for _, t := range w.tasks {
			levels[candidate.common(t.prefix)]++
		}
		with := 0
		for level := len(candidate); level > w.base; level-- {
			if with += levels[level]; 2*with > n && n > 1 {
				w.base = level
				break
			}
		}
	}
	clear(w.groups)
	w.shared = 0
	for _, t := range w.tasks {
		t.group = w.groupOf(t.prefix)
		w.count(t.group, 1)
	}
}

// choose returns the index of the task for an asker whose last task had the given prefix: the task that shares the most of it;
// else the first task of a group that no other asker has; else the first task, so that no slot stands empty. held reports
// whether another asker has the group. The window has a task.
func (w *window) choose(last prefix, held func(group uint64) bool) int {
	if group := w.groupOf(last); group != 0 && w.groups[group] > 0 {
		best, most := 0, -1
		for i, t := range w.tasks {
			if t.group != group {
				continue
			}
			if n := last.common(t.prefix); n > most {
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
func (q *Queue) prefixOfRow(row *prompt.Row) prefix {
	if q.order.AsInput {
		return nil
	}
	return prefixOf(q.seed, &row.Request)
}
