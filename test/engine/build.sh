#!/usr/bin/env bash
# Builds what the end-to-end tests and the demo run against, into .cache/engine:
#
#   o/bin/ollama    Ollama v0.24.0, the old generation: its in-house runner is compiled in (minutes of C++)
#   n/bin/ollama    Ollama v0.34.3, the new one, with Debian sid's llama-server beside it
#   gguf/           models whose right answer to every prompt is known (o/mkgguf): bigram, and a tiny one of each
#                   architecture in the model list
#   models/         those models as Ollama keeps them, by the names of their files (models.sh)
#
# usage: build.sh [all|old|new|model]
#        build.sh store OLLAMA    only the models, imported by the given ollama
# Each part is built once and again only when its own inputs change. Nothing is installed on the system and no
# root is needed: Debian's packages are unpacked into folders.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${FLUXWORKER_ENGINE_DIR:-$root/.cache/engine}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# shellcheck source=test/sid.sh
. "$here/../sid.sh"
# Outside the checkout on purpose: cgo's flags name this folder, and with a stable name a second checkout takes the
# five minutes of C++ from the Go build cache.
include=${XDG_CACHE_HOME:-$HOME/.cache}/fluxworker/include

say() { printf 'engine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# A stamp holds the hash of everything that went into a part.
fresh() { [ -f "$out/$1.stamp" ] && [ "$(cat "$out/$1.stamp")" = "$2" ]; }
key() { cat "$@" | sha256sum | cut -d' ' -f1; }

# watch TITLE COMMAND…: runs a long command with its output in a log and shows that it is alive.
watch() {
	local title=$1 log start pid rc=0
	shift
	log=$out/build.log
	start=$SECONDS
	"$@" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		local s=$((SECONDS - start))
		if [ -t 2 ]; then
			printf '\rengine: %s … %d s, %d packages compiled ' "$title" "$s" "$(wc -l <"$log")" >&2
		elif [ $((s % 15)) -eq 0 ]; then
			say "$title … $s s, $(wc -l <"$log") packages compiled"
		fi
	done
	wait "$pid" || rc=$?
	if [ -t 2 ]; then printf '\n' >&2; fi
	if [ $rc -ne 0 ]; then
		tail -n 20 "$log" >&2
		die "$title failed (exit $rc); the whole log is $log"
	fi
	say "$title: done in $((SECONDS - start)) s"
}

need() { command -v "$1" >/dev/null || die "$1 is not installed; $2"; }

# Debian's packages of the running release, unpacked without root. Skipped where the system has the headers.
headers() {
	need g++ "install a C and C++ compiler (Debian: apt-get install build-essential)"
	local malgo
	malgo=$(cd "$here/o" && go mod download -json github.com/gen2brain/malgo | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	[ -n "$malgo" ] || die "the Go module github.com/gen2brain/malgo cannot be downloaded; it brings miniaudio.h"
	mkdir -p "$include/miniaudio"
	ln -sfn "$malgo/miniaudio.h" "$include/miniaudio/miniaudio.h"
	[ -f "$include/nlohmann/json.hpp" ] && [ -f "$include/stb/stb_image.h" ] && return
	if [ -f /usr/include/nlohmann/json.hpp ] && [ -f /usr/include/stb/stb_image.h ]; then
		ln -sfn /usr/include/nlohmann "$include/nlohmann"
		ln -sfn /usr/include/stb "$include/stb"
		return
	fi
	need apt-get "install the headers of nlohmann-json and stb"
	local tmp
	tmp=$(mktemp -d)
	(
		cd "$tmp"
		apt-get download nlohmann-json3-dev libstb-dev || {
			apt-get update # no root needed to fail here, and root is what a bare machine gives
			apt-get download nlohmann-json3-dev libstb-dev
		}
		for deb in ./*.deb; do dpkg -x "$deb" unpacked; done
		rm -rf "$include/nlohmann" "$include/stb"
		mv unpacked/usr/include/nlohmann unpacked/usr/include/stb "$include/"
	) >"$out/headers.log" 2>&1 || die "Debian's nlohmann-json3-dev and libstb-dev cannot be fetched; see $out/headers.log"
	rm -rf "$tmp"
}

# The baseline build is several times slower at inference than one for the machine at hand.
march() {
	if [ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo && grep -qw bmi2 /proc/cpuinfo; then
		printf -- '-O3 -march=x86-64-v3'
	else
		printf -- '-O3'
	fi
}

version_of() { (cd "$here/$1" && go list -m -f '{{.Version}}' github.com/ollama/ollama); }

go_build() {
	local part=$1 dir=$2 version
	version=$(version_of "$dir")
	cd "$here/$dir"
	GOFLAGS=-mod=readonly go build -v -trimpath \
		-ldflags "-s -w -X github.com/ollama/ollama/version.Version=${version#v}" \
		-o "$out/$part/bin/ollama" github.com/ollama/ollama
}

old() {
	local k
	k=$(key "$here/o/go.mod" "$here/o/go.sum" "$here/build.sh")
	fresh o "$k" && return
	say "fetching Ollama v0.24.0 and its headers"
	(cd "$here/o" && go mod download github.com/ollama/ollama)
	headers
	local flags
	flags=$(march)
	CGO_ENABLED=1 CGO_CPPFLAGS="-I$include -I$include/stb" CGO_CFLAGS=$flags CGO_CXXFLAGS=$flags \
		watch "building Ollama v0.24.0 with its engine (about 5 minutes on 2 cores)" go_build o o
	echo "$k" >"$out/o.stamp"
}

# Debian's llama-server wants a newer C library than most machines have, so it is started by the loader and with the
# libraries of its own folder.
llama_server() {
	local dir=$1 deb loader
	rm -rf "$dir/sid"
	mkdir -p "$dir/sid" "$dir/lib/ollama"
	for deb in "$dir"/fetch/apt/cache/archives/*.deb; do dpkg -x "$deb" "$dir/sid"; done
	loader=$(find "$dir/sid" \( -name 'ld-linux-*.so.*' \) \( -type f -o -type l \) | head -n 1)
	local lib libs
	lib=$(dirname "$(find "$dir/sid" -name 'libllama.so*' | head -n 1)")
	libs=$lib:$lib/llama # where newer packages keep the program's own half
	# ggml looks for its CPU backends beside the program that runs, and that is the loader.
	find "$dir/sid" -path '*ggml/backends0/*.so' -exec cp -t "$(dirname "$(readlink -f "$loader")")" {} +
	cat >"$dir/lib/ollama/llama-server" <<W
#!/bin/sh
exec "$loader" --library-path "$libs" "$dir/sid/usr/bin/llama-server" "\$@"
W
	chmod 755 "$dir/lib/ollama/llama-server"
	"$dir/lib/ollama/llama-server" --version
}

new() {
	local k
	k=$(key "$here/n/go.mod" "$here/n/go.sum" "$here/build.sh" "$here/../sid.sh")
	fresh n "$k" && return
	mkdir -p "$out/n/fetch"
	if ! (sid_packages "$out/n/fetch" llama.cpp-tools) >"$out/sid.log" 2>&1; then
		say "LOUD: the new generation is not available: Debian sid cannot be reached (see $out/sid.log)"
		say "LOUD: everything that follows runs on the old generation only"
		rm -rf "$out/n" "$out/n.stamp"
		return
	fi
	llama_server "$out/n" >>"$out/sid.log" 2>&1 || die "Debian sid's llama-server does not start; see $out/sid.log"
	CGO_ENABLED=1 watch "building Ollama v0.34.3 (about 1 minute on 2 cores)" go_build n n
	rm -rf "$out/n/fetch"
	echo "$k" >"$out/n.stamp"
}

# shellcheck source=test/engine/models.sh
. "$here/models.sh"

need go "install Go 1.26 or later"
case ${1:-all} in
old) old ;;
new) new ;;
model) model ;;
store) store "${2:?usage: build.sh store OLLAMA}" ;;
all) model && old && store "$out/o/bin/ollama" && new ;;
*) die "unknown part \"$1\"; parts are all, old, new, model, store OLLAMA" ;;
esac
