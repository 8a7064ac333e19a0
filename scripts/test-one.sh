#!/usr/bin/env bash
# Finds the package of a test, a fuzz target, a benchmark or a script by its name, builds only what it needs, and runs it.
#
# usage: test-one.sh NAME[/SUBTEST]   (make test-one T=NAME)
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
name=${1:?"name a test: make test-one T=TestAnswers, or T=held for the script held.txtar"}
scripts=cmd/fluxworker/testdata/script
if [ -f "$scripts/$name.txtar" ]; then
	name=TestScripts/$name
fi
top=${name%%/*}
mapfile -t files < <(git grep -lE "^func $top\(" -- '*_test.go' || true)
if [ ${#files[@]} -eq 0 ]; then
	echo "test-one: there is no test, fuzz target, benchmark or script called \"$top\"; those that are like it:" >&2
	{ git grep -ohiE "^func (Test|Fuzz|Benchmark)\w*${top#Test}\w*" -- '*_test.go' | cut -d' ' -f2; git ls-files "$scripts" | sed -n 's|.*/\(.*\)\.txtar$|\1|p' | grep -i -- "$top"; } >&2 || true
	exit 1
fi

# Each part of the name is matched from its beginning to its end; a subtest's blanks are underscores in Go's own form.
pattern=^${name//\//\$/^}\$
for package in $(printf '%s\n' "${files[@]}" | xargs -n1 dirname | sort -u); do
	case $package in
	test/engines) make --no-print-directory engine ;;
	test/cluster) make --no-print-directory engine slurm ;;
	test/slurm | worker/slurm) make --no-print-directory slurm ;;
	test/bench) make --no-print-directory engine ;;
	esac
	case $top in
	Benchmark*) "$go" test -count=1 -run '^$' -bench "$pattern" -benchmem "./$package" ;;
	*) "$go" test -count=1 -timeout 30m -v -run "$pattern" "./$package" ;;
	esac
done
