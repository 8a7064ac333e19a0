package main

import (
	"os"

	"github.com/rs/zerolog"

	"fluxworker/worker"
)

// scratchRoot returns the folder for the scratch of servers, and logs the folders that it skips.
func scratchRoot(log zerolog.Logger) string {
	dir, warnings := worker.ScratchRoot(os.Getenv)
	for _, w := range warnings {
		log.Warn().Str("instead", dir).Msg(w)
	}
	return dir
}
