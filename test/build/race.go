//go:build race

package build

// RaceDetector says that the tests were built with -race.
const RaceDetector = true
