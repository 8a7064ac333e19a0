#!/usr/bin/env bash
# Finds the package of a test, a fuzz target, a benchmark or a script by its name, builds only what it needs, and runs it.
#
# usage: test-one.sh NAME[/SUBTEST]   (make test-one T=NAME)
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
name=${1:-}
if [ -z "$name" ]; then
	echo "test-one: name a test, T=TestTerminated or T=TestServerHit/old, or a script, T=held (held.txtar)" >&2
	exit 1
fi
scripts=cmd/fluxworker/testdata/script
if [ -f "$scripts/$name.txtar" ]; then
	name=TestScripts/$name
fi
top=${name%%/*}
mapfile -t files < <(git grep -lE "^func $top\(" -- '*_test.go' || true)
if [ ${#files[@]} -eq 0 ]; then
	word=${top#Test}
	like=$(
		git grep -ohiE "^func (Test|Fuzz|Benchmark)\w*$word\w*" -- '*_test.go' | cut -d' ' -f2
		git ls-files "$scripts" | sed -n 's|.*/\(.*\)\.txtar$|\1|p' | grep -i -- "$word"
	) || true
	echo "test-one: there is no test, fuzz target, benchmark or script called \"$top\"; names like it: ${like:-none}" >&2
	exit 1
fi

# Each part of the name is matched from its beginning to its end; a subtest's blanks are underscores in Go's own form.
pattern=^${name//\//\$/^}\$
for package in $(printf '%s\n' "${files[@]}" | xargs -n1 dirname | sort -u); do
	case $package in
	test/engines) make --no-print-directory engine ;;
	test/cluster) make --no-print-directory engine slurm ;;
	test/slurm | worker/slurm) make --no-print-directory slurm ;;
	test/release) make --no-print-directory engine release-tools ;;
	test/nfs) make --no-print-directory nfs ;;
	test/report) make --no-print-directory browser ;;
	test/containers) make --no-print-directory engine apptainer ;;
	test/gpu) make --no-print-directory engine && test/gpu/build.sh ;;
	test/bench) make --no-print-directory engine ;;
	esac
	case $top in
	Benchmark*) "$go" test -count=1 -run '^$' -bench "$pattern" -benchmem "./$package" ;;
	*) "$go" test -count=1 -timeout 30m -v -run "$pattern" "./$package" ;;
	esac
done
