package main

import (
	"net/url"
	"os"

	"github.com/rs/zerolog"
)

// warnOfSecret warns of a password on the command line, which every user of the node can read. address is the value of
// --ollama-url or its variable.
func warnOfSecret(log zerolog.Logger, address string) {
	if address == os.Getenv("FLUXWORKER_OLLAMA_URL") {
		return
	}
	if u, err := url.Parse(address); err == nil && u.User != nil {
		log.Warn().Msg("--ollama-url holds a user or password, which every user of this node can read on the command line; set FLUXWORKER_OLLAMA_URL instead")
	}
}
