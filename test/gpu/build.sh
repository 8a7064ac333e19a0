#!/usr/bin/env bash
# Builds what the tests on an NVIDIA GPU need, for the card of this machine alone, into .cache/gpu:
#
#   o/bin/ollama      Ollama v0.24.0 of "make engine", with its CUDA backend in o/lib/ollama/cuda_vN
#   n/bin/ollama      Ollama v0.34.3, with a llama-server and its CUDA backend in n/lib/ollama
#   ballast           a program that fills the card (ballast.cu)
#
# Nothing comes from a network. The sources of the old generation's backend are in the Go module of Ollama. Those of the new
# generation's are in no Go module: OLLAMA_LLAMA_CPP_SOURCE, which Ollama's own build reads, must name a folder with llama.cpp of
# the version in Ollama's LLAMA_CPP_VERSION.
#
# Where something is missing, the script says so in one line, writes the same into a file, which the tests read as their reason
# to skip, and ends well: lacks for the machine, o.lacks and n.lacks for one generation. Each part is built once, and again only
# when its own inputs change.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
engine=${FLUXWORKER_ENGINE_DIR:-$root/.cache/engine}
out=$root/.cache/gpu
readonly limit=420 # seconds for each of the two builds, of the 20 minutes for all
mkdir -p "$out"

say() { printf 'gpu: %s\n' "$*" >&2; }

# lacks FILE WHAT: keeps and prints what is missing.
lacks() {
	printf '%s\n' "$2" >"$out/$1"
	say "$2"
}

# The toolkit's usual folder is in few people's PATH.
nvcc_path() { command -v nvcc || { [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ] && echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc"; }; }

# new_cmake: Ollama v0.34.3 wants 3.24 (llama/server/CMakeLists.txt), v0.24.0 3.21.
new_cmake() {
	command -v cmake >/dev/null || return 1
	local have
	have=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
	[ "$(printf '%s\n3.24\n' "$have" | sort -V | head -n 1)" = 3.24 ]
}

# missing: the names of what this machine lacks.
missing() {
	local list=()
	nvidia-smi -L >/dev/null 2>&1 || list+=("a GPU with its driver (nvidia-smi)")
	nvcc_path >/dev/null || list+=("nvcc of the CUDA toolkit")
	new_cmake || list+=("cmake 3.24")
	command -v g++ >/dev/null || list+=("g++")
	local IFS=,
	printf '%s' "${list[*]}" | sed 's/,/, /g'
}

# step TITLE COMMAND…: runs a command within the limit, with its output in a log.
step() {
	local title=$1 log=$out/build.log start=$SECONDS rc=0 pid
	shift
	timeout "$limit" "$@" >"$log" 2>&1 &
	pid=$!
	# shellcheck disable=SC2064 # this process, now: timeout is in a process group of its own
	trap "kill $pid; exit 130" INT TERM
	wait "$pid" || rc=$?
	trap - INT TERM
	if [ $rc -eq 124 ]; then
		say "$title: not done within $limit s; the next call goes on from there. The log is $log"
	elif [ $rc -ne 0 ]; then
		tail -n 20 "$log" >&2
		say "$title failed (exit $rc); the whole log is $log"
	else
		say "$title: done in $((SECONDS - start)) s"
	fi
	return $rc
}

module() { (cd "$root/test/engine/$1" && go list -m -f '{{.Dir}}' github.com/ollama/ollama); }

# fresh PART KEY: whether the part was built with these inputs.
fresh() { [ -f "$out/$1.stamp" ] && [ "$(cat "$out/$1.stamp")" = "$2" ]; }

# put_cuda PART LIBRARY: the backend, and the toolkit's libraries that it needs, where both generations look for them
# (v0.24.0 discover/runner.go, v0.34.3 discover/llama_server.go).
put_cuda() {
	local to=$out/$1/lib/ollama/cuda_v$cuda library
	mkdir -p "$to"
	cp "$2" "$to/"
	ldd "$2" | awk '/libcudart|libcublas/ && $3 ~ /^\// { print $3 }' | while read -r library; do ln -sf "$library" "$to/"; done
}

# old: only the backend, and ggml-base, which it is linked with. The CPU backend is in the program.
old() {
	local source build=$out/build-o
	source=$(module o)
	cmake_flags=(-DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="$arch" -DOLLAMA_RUNNER_DIR="cuda_v$cuda"
		-DCMAKE_DISABLE_FIND_PACKAGE_Vulkan=ON -DCMAKE_HIP_COMPILER=NOTFOUND) # other backends are not asked for
	step "configuring the CUDA backend of Ollama v0.24.0" cmake -S "$source" -B "$build" "${cmake_flags[@]}" || return 1
	step "building the CUDA backend of Ollama v0.24.0 for compute capability $arch" \
		cmake --build "$build" --target ggml-cuda --parallel "$(nproc)" || return 1
	mkdir -p "$out/o/bin" "$out/o/lib/ollama"
	cp "$engine/o/bin/ollama" "$out/o/bin/"
	cp -P "$build"/lib/ollama/libggml-base.so* "$out/o/lib/ollama/"
	put_cuda o "$build/lib/ollama/libggml-cuda.so"
}

# new: a whole llama-server: the one of "make engine" is Debian's, whose ggml takes no backend that was built elsewhere.
new() {
	local source build=$out/build-n
	source=$(module n)
	rm -rf "$out/llama.cpp"
	cp -r "$OLLAMA_LLAMA_CPP_SOURCE" "$out/llama.cpp" # Ollama's build patches it
	# As in the presets of llama/server/CMakePresets.json.
	cmake_flags=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF
		-DGGML_CUDA=ON -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="$arch" -DOLLAMA_RUNNER_DIR="cuda_v$cuda"
		-DFETCHCONTENT_SOURCE_DIR_LLAMA_CPP="$out/llama.cpp" -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
	step "configuring llama-server of Ollama v0.34.3" env -u OLLAMA_LLAMA_CPP_SOURCE cmake -S "$source/llama/server" -B "$build" "${cmake_flags[@]}" || return 1
	step "building llama-server of Ollama v0.34.3 for compute capability $arch" \
		cmake --build "$build" --target llama-server ggml-cpu ggml-cuda --parallel "$(nproc)" || return 1
	mkdir -p "$out/n/bin" "$out/n/lib/ollama"
	cp "$engine/n/bin/ollama" "$out/n/bin/"
	find "$build/bin" -maxdepth 1 \( -name 'lib*.so*' -o -name llama-server \) ! -name 'libggml-cuda*' -exec cp -P -t "$out/n/lib/ollama" {} +
	put_cuda n "$build/bin/libggml-cuda.so"
}

# part NAME FUNCTION KEY: builds a part unless it is fresh.
part() {
	fresh "$1" "$3" && return
	rm -rf "${out:?}/$1" "$out/$1.stamp"
	if "$2"; then
		echo "$3" >"$out/$1.stamp"
	else
		lacks "$1.lacks" "no CUDA backend: the build failed (see above)"
	fi
}

rm -f "$out"/lacks "$out"/?.lacks
without=$(missing)
if [ -n "$without" ]; then
	lacks lacks "this machine lacks $without: only the steps that need no GPU run"
	exit 0
fi
[ -x "$engine/o/bin/ollama" ] || { lacks lacks "$engine/o/bin/ollama is missing: run make engine"; exit 0; }

nvcc=$(nvcc_path)
cuda=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d ' .')
key=$({ "$nvcc" --version; echo "$arch"; cat "$here/build.sh" "$here/ballast.cu"; sha256sum <"$engine/o/bin/ollama"; } | sha256sum | cut -d' ' -f1)

fresh ballast "$key" || {
	step "building ballast" "$nvcc" -O2 -o "$out/ballast" "$here/ballast.cu" || { lacks lacks "nvcc cannot build $here/ballast.cu"; exit 0; }
	echo "$key" >"$out/ballast.stamp"
}
part o old "$key"
if [ ! -x "$engine/n/bin/ollama" ]; then
	lacks n.lacks "no CUDA backend of the new generation: $engine/n/bin/ollama is missing; run make engine"
elif [ ! -f "${OLLAMA_LLAMA_CPP_SOURCE:-}/CMakeLists.txt" ]; then
	lacks n.lacks "no CUDA backend of the new generation: no Go module holds the llama.cpp of Ollama v0.34.3; set OLLAMA_LLAMA_CPP_SOURCE to a folder with it"
else
	part n new "$key $OLLAMA_LLAMA_CPP_SOURCE"
fi
