package worker

import (
	"time"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// Config is all that a run is told.
type Config struct {
	Input       string          // path of the rows, or "-" for standard input
	MaxRowBytes int             // rows longer than this become error lines
	Output      string          // path of the results; the other places come from it
	Defaults    prompt.Defaults // the model's name and the options that a row may override

	Model modelcfg.Model // what its YAML says; what the server says of it counts for more
	Wish  batcher.Wish   // slots and context as the user wants them

	Server Server

	RequestTimeout time.Duration // for one row's answer
	MaxRetries     int           // how often a row is asked again after a failure of the server
	MaxRestarts    int           // how often a server is started again within restartWindow before it is given up
	StallTimeout   time.Duration // without an answer and without working a server counts as hanging after this
	MaxServerBytes int64         // host memory above which a server is started anew; 0 is no limit
	Grace          time.Duration // how long rows in flight may go on after the first signal
	SyncEvery      time.Duration // results are on disk after this time at the latest

	Version string // of this program, for the manifest
}

// Server says which servers answer.
type Server struct {
	Command     []string         // program and leading arguments of Ollama; "serve" is added
	URL         string           // a server that runs already; then Command and what follows count for nothing
	Models      string           // the folder with the models
	Device      ollama.Device    //
	PullMissing bool             // fetch the model where the server does not have it
	LoadTimeout time.Duration    // for each step of a server's start: to listen, to answer, to load the model
	Isolate     ollama.Isolation // whether servers live in namespaces of their own
	ScratchRoot string           // a server's HOME is made below it; empty is the system's place
}
