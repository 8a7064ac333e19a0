//go:build race

package build

// raceDetector says that the tests were built with -race.
const raceDetector = true
