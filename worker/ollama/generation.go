package ollama

import "golang.org/x/mod/semver"

// firstNew is the first version that runs every model in a llama-server process.
const firstNew = "v0.30.0"

// Old tells whether a server's version is of the old generation, whose runner decides other than asked in some things. A
// version that says nothing, as 0.0.0 of a build of somebody's own, counts as old: what it then lacks is only speed.
func Old(version string) bool {
	return semver.Compare("v"+version, firstNew) < 0
}
