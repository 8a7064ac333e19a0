package ollama

import "golang.org/x/mod/semver"

// firstNew is the first version that runs every model in a llama-server process. Versions from here on are the new
// generation.
const firstNew = "v0.30.0"

// OldGeneration reports whether a version belongs to the old generation, whose runner does not follow some options. A version
// without information, such as the 0.0.0 of a private build, counts as old; the only cost is speed.
func OldGeneration(version string) bool {
	return semver.Compare("v"+version, firstNew) < 0
}
