#!/usr/bin/env bash
# Installs what "make release" needs beside Go (Debian and its kin, as root): C compilers and the C library of both
# architectures. The script does nothing where all of it is there. release.sh names what is missing.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }
need x86_64-linux-gnu-gcc gcc-x86-64-linux-gnu libc6-dev-amd64-cross
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
[ ${#missing[@]} -gt 0 ] || exit 0

say() { printf 'release: %s\n' "$*" >&2; }
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	say "not root, or no apt-get: install ${missing[*]} by hand"
	exit 0
fi
install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "installing ${missing[*]}"
# The package lists may be missing or older than the mirror.
if ! install >"$log" 2>&1 && ! { apt-get update && install; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "apt-get could not install ${missing[*]}"
	exit 1
fi
