package ollama

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"
	"golang.org/x/mod/semver"

	"fluxworker/worker/prompt"
)

// lowest is the oldest version whose truncate and shift options were seen to work. Older ones ignore them and cut
// prompts without a word.
const lowest = "v0.17.4"

// Info is what a server says of itself and of the model.
type Info struct {
	Version      string   `json:"ollama_version"`
	Digest       string   `json:"model_digest,omitempty"`
	Family       string   `json:"family,omitempty"`
	Parameters   string   `json:"parameters,omitempty"`
	Quantization string   `json:"quantization,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	// Threads is the num_thread that the model's own parameters name; 0 where they name none.
	Threads int `json:"num_thread,omitempty"`
	// WeightsBytes is the size of the model's files, a projector included; 0 where the server does not say.
	WeightsBytes int64 `json:"weights_bytes,omitempty"`
	// Projector says that images are encoded by a file of its own, and not by the model's.
	Projector bool `json:"projector,omitempty"`
	// Metadata holds the raw keys of the model's GGUF file, arrays in full.
	Metadata map[string]any `json:"-"`
}

// EmbedsOnly tells whether the model makes embeddings and nothing else.
func (i Info) EmbedsOnly() bool {
	return slices.Contains(i.Capabilities, string(model.CapabilityEmbedding)) &&
		!slices.Contains(i.Capabilities, string(model.CapabilityCompletion))
}

// Runner is how clients ask for the model. Threads is how many compute on the CPU; 0 leaves it to the server.
func (i Info) Runner(context, threads int) Runner {
	family, _ := i.Metadata["general.architecture"].(string)
	longest, known := i.Metadata[family+".context_length"].(float64)
	return Runner{
		Context: context, Longest: known && float64(context) >= longest, Threads: threads,
		Embeds: i.EmbedsOnly(), NoEmbeddings: !i.EmbedsOnly() && !Old(i.Version),
	}
}

// unreachableFor is how long an address may refuse connections. A server that is about to start takes no longer.
const unreachableFor = 3 * time.Second

// WaitAnswering waits until HTTP is answered: the socket accepts connections long before, while GPUs are looked for.
// Where nobody accepts a connection it does not wait. Versions that cannot be trusted are refused.
func (c *Client) WaitAnswering(ctx context.Context) (version string, err error) {
	began := time.Now()
	for {
		version, err = c.control().Version(ctx)
		if err == nil {
			return version, checkVersion(version)
		}
		if unreachable(err) && time.Since(began) >= unreachableFor {
			return "", fmt.Errorf("no server listens at %s: %w; start it there, or correct the address", c.base.Redacted(), err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("it does not answer at %s: %w", c.base.Redacted(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// unreachable tells whether an error means that there is nobody at an address, in contrast to somebody who is slow.
func unreachable(err error) bool {
	var name *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.As(err, &name) && name.IsNotFound
}

// checkVersion accepts 0.0.0: a build of somebody's own says that.
func checkVersion(version string) error {
	v := "v" + version
	if version == "0.0.0" || semver.IsValid(v) && semver.Compare(v, lowest) >= 0 {
		return nil
	}
	return fmt.Errorf("it is Ollama %s, which cuts long prompts silently; %s or later is needed", version, lowest[1:])
}

// Describe tells what the server knows of the model. ErrModelMissing where it does not have it.
func (c *Client) Describe(ctx context.Context, model string) (Info, error) {
	show, err := c.control().Show(ctx, &api.ShowRequest{
		Model:   model,
		Verbose: true, // or the old generation leaves long arrays out, such as the KV heads of each layer
	})
	if err != nil {
		return Info{}, controlError("look up model", err)
	}
	info := Info{
		Family:       show.Details.Family,
		Parameters:   show.Details.ParameterSize,
		Quantization: show.Details.QuantizationLevel,
		Metadata:     show.ModelInfo,
		Projector:    len(show.ProjectorInfo) > 0,
		Threads:      ownThreads(show.Parameters),
	}
	for _, capability := range show.Capabilities {
		info.Capabilities = append(info.Capabilities, string(capability))
	}
	list, err := c.control().List(ctx)
	if err != nil {
		return Info{}, controlError("list models", err)
	}
	for _, m := range list.Models {
		if SameModel(m.Name, model) {
			info.Digest, info.WeightsBytes = m.Digest, m.Size
		}
	}
	return info, nil
}

// ownThreads finds num_thread among a model's parameters, a name and a value on each line.
func ownThreads(parameters string) int {
	for line := range strings.Lines(parameters) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "num_thread" {
			n, _ := strconv.Atoi(f[1]) // the server has checked it
			return n
		}
	}
	return 0
}

// Load brings the model into memory, with the runner options of the requests to come (for the new generation shift is
// one): with others it would be loaded twice. Should the connection break meanwhile, the server gives the load up.
func (c *Client) Load(ctx context.Context, model string) error {
	if c.runner.Embeds {
		// Without a text nothing is embedded, but the model is loaded.
		_, err := c.control().Embed(ctx, &api.EmbedRequest{Model: model, Input: []string{}, Options: c.runner.options()})
		if err != nil {
			return controlError("load model "+model, err)
		}
		return nil
	}
	shift := false
	err := c.control().Generate(ctx, &api.GenerateRequest{
		Model:   model,
		Shift:   &shift,
		Options: c.runner.options(),
	}, func(api.GenerateResponse) error { return nil })
	if err != nil {
		return controlError("load model "+model, err)
	}
	return nil
}

// Footprint is what a loaded model takes, as the server accounts for it. The part that is not on a GPU makes every token
// slow.
type Footprint struct {
	Bytes    int64 `json:"bytes"`
	GPUBytes int64 `json:"gpu_bytes"`
}

// Loaded is the footprint of the model, which must be loaded.
func (c *Client) Loaded(ctx context.Context, model string) (Footprint, error) {
	running, err := c.control().ListRunning(ctx)
	if err != nil {
		return Footprint{}, controlError("list loaded models", err)
	}
	for _, m := range running.Models {
		if SameModel(m.Name, model) {
			return Footprint{Bytes: m.Size, GPUBytes: m.SizeVRAM}, nil
		}
	}
	return Footprint{}, fmt.Errorf("list loaded models: %s is not among them", model)
}

// Prove gets a one-token answer, or a vector: green health checks have been seen on servers that answer nothing.
func (c *Client) Prove(ctx context.Context, model string) error {
	r := prompt.Request{
		Endpoint: prompt.Chat,
		Model:    model,
		Messages: []prompt.Message{{Role: "user", Content: "1"}},
		Sampling: prompt.Sampling{MaxTokens: 1, TopP: 1},
	}
	if c.runner.Embeds {
		r = prompt.Request{Endpoint: prompt.Embeddings, Model: model, Embedding: &prompt.Embedding{Input: []string{"1"}}}
	}
	if _, err := c.Ask(ctx, r); err != nil {
		return fmt.Errorf("get a first answer: %w", err)
	}
	return nil
}

// controlError names the sentinel where the API's answer has one.
func controlError(op string, err error) error {
	var status api.StatusError
	if errors.As(err, &status) && status.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s: %w: the server says: %s", op, ErrModelMissing, status.ErrorMessage)
	}
	return fmt.Errorf("%s: %w", op, err)
}
