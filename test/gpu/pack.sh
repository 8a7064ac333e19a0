#!/usr/bin/env bash
# Packs TestGPU for a machine with a GPU that has nvcc and cmake, and neither Go nor a network: a GPU node of a cluster. There:
#
#   tar xf fluxworker-gpu.tar.xz && fluxworker-gpu/run.sh
#
# The folder holds the test program, fluxworker, the NVML probe, the engines of "make engine" and the sources of their CUDA
# backends; run.sh builds the backends (build.sh). With -update it writes fluxworker-gpu/test/gpu/RESULTS.md.
#
# usage: pack.sh FILE.tar.xz
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
engine=${FLUXWORKER_ENGINE_DIR:-$root/.cache/engine}
file=${1:?usage: pack.sh FILE.tar.xz}

[ -x "$engine/o/bin/ollama" ] || { echo "pack: $engine/o/bin/ollama is missing: run make engine" >&2; exit 1; }
mkdir -p "$root/.cache"
draft=$(mktemp -d "$root/.cache/pack.XXXXXX")
trap 'chmod -R u+w "$draft"; rm -rf "$draft"' EXIT
to=$draft/fluxworker-gpu
mkdir -p "$to"/{go,programs,test/gpu,test/engine,.cache/engine}

# The tests ask "go" to build two programs, and where this module and Ollama's lie.
cat >"$to/go/go" <<'G'
#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
case "$*" in
"env GOMOD") echo "$root/go.mod" ;;
"list -m -f {{.Dir}} github.com/ollama/ollama") echo "$root/source/$(basename "$PWD")" ;;
build*)
	while [ "$1" != -o ]; do shift; done
	[ -e "$2" ] || cp "$root/programs/$(basename "$2" .next)" "$2"
	;;
*)
	echo "go: this machine has no Go, and the pack does not know: go $*" >&2
	exit 1
	;;
esac
G
cat >"$to/run.sh" <<'R'
#!/bin/sh
# Tests the GPU of this machine. Flags of the tests may follow, such as -update.
cd "$(dirname "$0")" || exit
PATH=$PWD/go:$PATH
export PATH FLUXWORKER_ENGINE_DIR="$PWD/.cache/engine"
OLLAMA_LLAMA_CPP_SOURCE=$PWD/source/llama.cpp
export OLLAMA_LLAMA_CPP_SOURCE
test/gpu/build.sh || exit
cd test/gpu && exec ./gpu.test -test.v -test.timeout 20m -test.run '^(TestGPU|TestJudgement)$' "$@"
R
chmod +x "$to/go/go" "$to/run.sh"

cd "$root"
make --no-print-directory build
CGO_ENABLED=0 go test -c -o "$to/test/gpu/gpu.test" ./test/gpu
cp bin/fluxworker "$to/programs/fluxworker"
cp gpu/probe.bin "$to/programs/nvmlprobe"
cp go.mod "$to/"
cp test/gpu/build.sh test/gpu/ballast.cu "$to/test/gpu/"

# add PART PATH…: an engine, and these sources of its module.
add() {
	local part=$1 module
	shift
	mkdir -p "$to/test/engine/$part" "$to/.cache/engine/$part/bin" "$to/source/$part"
	cp "$engine/$part/bin/ollama" "$to/.cache/engine/$part/bin/"
	module=$(cd "$root/test/engine/$part" && go list -m -f '{{.Dir}}' github.com/ollama/ollama)
	(cd "$module" && cp -r --parents --no-preserve=mode -t "$to/source/$part" "$@")
}
add o CMakeLists.txt ml/backend/ggml/ggml
if [ -x "$engine/n/bin/ollama" ] && [ -f "${OLLAMA_LLAMA_CPP_SOURCE:-}/CMakeLists.txt" ]; then
	add n CMakeLists.txt LLAMA_CPP_VERSION LICENSE cmake llama
	cp -r "$OLLAMA_LLAMA_CPP_SOURCE" "$to/source/llama.cpp"
else
	echo "pack: without the new generation: make engine, and set OLLAMA_LLAMA_CPP_SOURCE to a folder with its llama.cpp" >&2
fi

tar -C "$draft" -cJf "$file" fluxworker-gpu
echo "pack: $file, $(du -h "$file" | cut -f1)"
