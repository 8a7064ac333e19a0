package gpu

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/test/gpu/synthetic"
	"fluxworker/test/harness"
)

// card is where the steps run: a GPU, or for the rehearsal one that seems to be there.
type card struct {
	name     string
	measures bool    // the driver's numbers follow the servers
	leaves   []int64 // bytes of the card that are free in turn, so that plans take different numbers of slots
	shapes   []synthetic.Shape
	contexts map[string]string // tokens of a slot, by shape
	work     work
	plan     []string // flags of fluxworker plan, beside the model's

	// model returns the file of a model.
	model func(t *testing.T, s synthetic.Shape) string
	// use gives a job the card; the variables are for the front, where there is one.
	use func(j *harness.Job, g harness.Generation, front ...string)
	// fill takes memory of the card until only so many bytes are free, until release is called.
	fill func(t *testing.T, leave int64) (release func())
	// used returns the memory in use, in bytes.
	used func(t *testing.T) int64
}

// work is the work of the rows in a step: enough to fill the slots for a while on a GPU, and little on a CPU.
type work struct{ rowsPerSlot, prompt, answer int }

// job makes a job for a model on the card.
func (c *card) job(t *testing.T, g harness.Generation, s synthetic.Shape, args ...string) *harness.Job {
	t.Helper()
	j := newJob(t, g, c.model(t, s), append([]string{"--device", "auto", "--context", c.contexts[s.Name], "--log-format", "json"}, args...)...)
	return j
}

// rehearsal returns a card that seems to be there: fakenvml shows it, and the front says that the server computes on it. It is
// so small that few slots of a model of one layer fit.
func rehearsal(t *testing.T) *card {
	dir := t.TempDir()
	s, err := synthetic.ByName("8b")
	if err != nil {
		t.Fatal(err)
	}
	s = s.Reduced(1, 1024)
	free := int64(gib) << 1
	return &card{
		name: "rehearsal", shapes: []synthetic.Shape{s}, contexts: map[string]string{"8b": "4096"}, leaves: []int64{2000 * mib, 1900 * mib, 1800 * mib},
		work: work{rowsPerSlot: 1, prompt: 20, answer: 4}, plan: []string{"--gpu", "24GB"},
		model: func(t *testing.T, s synthetic.Shape) string {
			file := dir + "/" + s.Name + ".gguf"
			if _, err := os.Stat(file); err != nil {
				if err := s.Write(file); err != nil {
					t.Fatal(err)
				}
			}
			return file
		},
		use: func(j *harness.Job, g harness.Generation, front ...string) {
			onOneCPU(j)
			j.Env = append(j.Env, "SLURM_JOB_GPUS=0")
			j.UseGPUs(g, harness.GPUs(1, fmt.Sprintf("mem_mib=%d", 692+free/mib)), front...) // the driver reserves 692 MiB
		},
		fill: func(_ *testing.T, leave int64) func() {
			was := free
			free = leave
			return func() { free = was }
		},
		used: func(*testing.T) int64 { return 0 },
	}
}

// lacks returns the reason why a step cannot run, which build.sh has written to this file; "" where it can.
func lacks(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(folder(t) + "/" + file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}
