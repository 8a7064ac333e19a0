package main

import (
	"os"

	"github.com/rs/zerolog"

	"fluxworker/worker"
)

// scratchRoot is where servers have their scratch; what is passed over is logged.
func scratchRoot(log zerolog.Logger) string {
	dir, warnings := worker.ScratchRoot(os.Getenv)
	for _, w := range warnings {
		log.Warn().Str("instead", dir).Msg(w)
	}
	return dir
}
