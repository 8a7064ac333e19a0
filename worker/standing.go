package worker

import (
	"context"
	"sync"
)

// standing is a run's servers, on their way to answering or there.
type standing struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when the start is over; then what follows is valid
	err    error

	planned []*member
	serving []*member
	use     func() []GPUUse // ends the watch over the GPUs

	dismissed sync.Once
	lowered   sync.Once
	gpuUse    []GPUUse
}

// raise begins to prepare and start the servers.
func (r *run) raise(ctx context.Context) *standing {
	ctx, cancel := context.WithCancel(ctx)
	s := &standing{cancel: cancel, ended: make(chan struct{}), use: func() []GPUUse { return nil }}
	go func() {
		defer close(s.ended)
		if s.err = r.prepare(ctx); s.err != nil {
			return
		}
		s.use = r.watchGPUs()
		s.planned, s.serving, s.err = r.startPlanned(ctx)
	}()
	return s
}

// wait returns the servers once they answer. The end of the context gives the start up.
func (s *standing) wait(ctx context.Context) ([]*member, error) {
	release := context.AfterFunc(ctx, s.cancel)
	defer release()
	<-s.ended
	return s.serving, s.err
}

// dismiss ends the servers, or their start, and waits for that.
func (s *standing) dismiss() {
	s.dismissed.Do(func() {
		s.cancel()
		<-s.ended
		stopAll(s.planned)
	})
}

// lower ends the servers and the watch over the GPUs. It returns what the run made of these, each time that it is called.
func (s *standing) lower() []GPUUse {
	s.dismiss()
	s.lowered.Do(func() { s.gpuUse = s.use() })
	return s.gpuUse
}

// raiseEarly starts the servers while the output is read, where rows are left as far as can be told before: the last run
// with the same input and the same settings was cut off or stopped. A run that finds nothing to do all the same, or refuses
// to go on, ends them again. Called when the output is ours.
func (r *run) raiseEarly(intake context.Context) {
	if r.leftRows() {
		r.log.Info().Msg("the last run did not come to its end: the server starts while the results are read")
		r.early = r.raise(intake)
	}
}

// lowerEarly ends what raiseEarly began, where nobody has yet.
func (r *run) lowerEarly() {
	if r.early != nil {
		r.early.lower()
	}
}

// leftRows tells whether the output's last run left rows to ask, as far as its records say.
func (r *run) leftRows() bool {
	if r.Results.Overwrite || r.Results.OnChange == ChangeReruns || !isFile(r.Input) {
		return false
	}
	last, err := lastAttempt(r.paths)
	if err != nil || last.Outcome == "" || last.Summary.Complete {
		return false // what is wrong with it is told later; where only the document is missing, no row is left
	}
	before, err := readManifest(r.paths)
	if err != nil || before == nil || !before.Input.same(r.manifest.Input) || len(before.Requests.differences(r.manifest.Requests)) > 0 {
		return false
	}
	if len(before.Fitting) > 1 {
		return false // the rows that are left may be the long ones, and how long they are is known once the others are read
	}
	r.before = before // nobody else looks at it before the servers do
	return true
}
