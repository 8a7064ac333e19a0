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

// minVersion is the oldest version whose options truncate and shift were tested to work. Older versions ignore them and
// silently cut prompts.
const minVersion = "v0.17.4"

// fetchOllama is the way out for users without an Ollama, or with an old one.
const fetchOllama = "fetch Ollama without root by get-ollama.sh, which is beside fluxworker in its archive"

// Info holds the properties of a server and its model.
type Info struct {
	Version      string   `json:"ollama_version,omitempty"`
	Engine       string   `json:"engine,omitempty"` // of a server of OpenAI's API, as it calls itself: "vllm", "sglang", "llamacpp"
	Digest       string   `json:"model_digest,omitempty"`
	Family       string   `json:"family,omitempty"`
	Parameters   string   `json:"parameters,omitempty"`
	Quantization string   `json:"quantization,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	// Threads is num_thread from the model's own parameters; 0 if they do not set it.
	Threads int `json:"num_thread,omitempty"`
	// Ubatch is num_batch from the model's own parameters; 0 if they do not set it.
	Ubatch int `json:"num_batch,omitempty"`
	// GPULayers is num_gpu from the model's own parameters; nil if they do not set it.
	GPULayers *int `json:"num_gpu,omitempty"`
	// Drafts is draft_num_predict from the model's own parameters; 0 if they do not set it, and then no server drafts (v0.34.3
	// server/routes.go, modelOptions).
	Drafts int `json:"draft_num_predict,omitempty"`
	// WeightsBytes is the size of the model's files including a projector; 0 if the server does not report it.
	WeightsBytes int64 `json:"weights_bytes,omitempty"`
	// HostBytes is the part of WeightsBytes that stays in host memory when all layers are on the GPU; 0 if unknown.
	HostBytes int64 `json:"host_bytes,omitempty"`
	// Projector is true if a separate file encodes images.
	Projector bool `json:"projector,omitempty"`
	// Metadata holds all keys of the model's GGUF header, with complete arrays.
	Metadata map[string]any `json:"-"`
}

// EmbedsOnly reports whether the model makes embeddings and nothing else.
func (i Info) EmbedsOnly() bool {
	return slices.Contains(i.Capabilities, string(model.CapabilityEmbedding)) &&
		!slices.Contains(i.Capabilities, string(model.CapabilityCompletion))
}

// Runner returns r with what is known of this model.
func (i Info) Runner(r Runner) Runner {
	family, _ := i.Metadata["general.architecture"].(string)
	longest, known := i.Metadata[family+".context_length"].(float64)
	r.AtMaxContext = known && float64(r.Context) >= longest
	r.Embeds, r.NoEmbeddings = i.EmbedsOnly(), !i.EmbedsOnly() && !OldGeneration(i.Version)
	return r
}

// unreachableFor is how long an address may refuse connections. A starting server listens sooner than this.
const unreachableFor = 3 * time.Second

// WaitAnswering waits until the server answers HTTP: its socket accepts connections long before, while the server
// searches for GPUs. If the address refuses connections, it fails after unreachableFor. It rejects unsupported
// versions.
func (c *Client) WaitAnswering(ctx context.Context) (version string, err error) {
	began := time.Now()
	for {
		version, err = c.control().Version(ctx)
		if err == nil {
			return version, checkVersion(version)
		}
		if errors.Is(err, ErrRedirected) {
			return "", err
		}
		if unreachable(err) && time.Since(began) >= unreachableFor {
			return "", fmt.Errorf("no server listens at %s: %w; start it there, or correct the address", c.base, err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the server at %s does not answer: %w", c.base, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// unreachable reports whether the error means that no server listens at the address, in contrast to a slow server.
func unreachable(err error) bool {
	var name *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.As(err, &name) && name.IsNotFound
}

// checkVersion rejects versions below minVersion. It accepts 0.0.0, the version of a private build.
func checkVersion(version string) error {
	v := "v" + version
	if version == "0.0.0" || semver.IsValid(v) && semver.Compare(v, minVersion) >= 0 {
		return nil
	}
	return fmt.Errorf("the server is Ollama %s, which silently cuts long prompts; use %s or later, or %s", version, minVersion[1:], fetchOllama)
}

// Describe returns what the server knows about the model. The error is ErrModelMissing if the server does not have the
// model.
func (c *Client) Describe(ctx context.Context, model string) (Info, error) {
	show, err := c.control().Show(ctx, &api.ShowRequest{
		Model:   model,
		Verbose: true, // without it, the old generation omits long arrays, such as the KV heads of each layer
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
		Threads:      ownNumber(show.Parameters, "num_thread"),
		Ubatch:       ownNumber(show.Parameters, "num_batch"),
		GPULayers:    ownParameter(show.Parameters, "num_gpu"),
		Drafts:       ownNumber(show.Parameters, "draft_num_predict"),
		HostBytes:    hostBytes(shownTensors(show.Tensors)),
	}
	for _, capability := range show.Capabilities {
		info.Capabilities = append(info.Capabilities, string(capability))
	}
	list, err := c.control().List(ctx)
	if err != nil {
		return Info{}, controlError("list models", err)
	}
	for _, m := range list.Models {
		if sameModel(m.Name, model) {
			info.Digest, info.WeightsBytes = m.Digest, m.Size
		}
	}
	return info, nil
}

// Models returns the names of the models that the server has.
func (c *Client) Models(ctx context.Context) ([]string, error) {
	list, err := c.control().List(ctx)
	if err != nil {
		return nil, controlError("list models", err)
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names, nil
}

// ownNumber returns a number of 0 or more from a model's parameters; 0 if it is absent.
func ownNumber(parameters, name string) int {
	if n := ownParameter(parameters, name); n != nil {
		return max(0, *n)
	}
	return 0
}

// ownParameter returns a number from a model's parameters, which have one name and value per line; nil if it is absent.
func ownParameter(parameters, name string) *int {
	for line := range strings.Lines(parameters) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.Atoi(f[1]) // the server has checked the value
			return &n
		}
	}
	return nil
}

// Load loads the model with the same runner options as the later requests (in the new generation shift is one of them);
// other options would cause a second load. If the connection breaks, the server aborts the load.
func (c *Client) Load(ctx context.Context, model string) error {
	if c.runner.Embeds {
		// An empty list embeds nothing, but loads the model.
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

// Footprint is the memory of a loaded model in bytes, as the server accounts for it. Any part outside the GPU makes
// every token slow.
type Footprint struct {
	Bytes    int64 `json:"bytes"`
	GPUBytes int64 `json:"gpu_bytes"`
}

// Loaded returns the footprint of the model. It returns an error if the model is not loaded.
func (c *Client) Loaded(ctx context.Context, model string) (Footprint, error) {
	running, err := c.control().ListRunning(ctx)
	if err != nil {
		return Footprint{}, controlError("list loaded models", err)
	}
	for _, m := range running.Models {
		if sameModel(m.Name, model) {
			return Footprint{Bytes: m.Size, GPUBytes: m.SizeVRAM}, nil
		}
	}
	return Footprint{}, fmt.Errorf("list loaded models: %s is not among them", model)
}

// Verify requests a one-token answer or a vector. A health check is not enough: servers with a good health check have
// failed to answer.
func (c *Client) Verify(ctx context.Context, model string) error {
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

// controlError adds an operation to an error, and ErrModelMissing if the server answered 404.
func controlError(op string, err error) error {
	var status api.StatusError
	if errors.As(err, &status) && status.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s: %w: the server says: %s", op, ErrModelMissing, status.ErrorMessage)
	}
	return fmt.Errorf("%s: %w", op, err)
}
