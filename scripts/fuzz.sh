#!/bin/sh
# Runs every fuzz target of the module, each for FUZZTIME (30s where it is not set). What one finds is written to the
# testdata/fuzz folder beside it; plain "go test" runs those files, and the ones that are there already, as tests.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
packages=$("$go" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
found=0
for package in $packages; do
	# With -list a test binary names its targets and runs none.
	targets=$("$go" test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
	for target in $targets; do
		echo "== $package $target"
		# The default, a minute for each interesting input, is all that a target with files to write would do.
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" -fuzzminimizetime 20x "$package"
		found=$((found + 1))
	done
done
[ "$found" -gt 0 ] || { echo "fuzz: no targets were found" >&2; exit 1; }
