#!/usr/bin/env bash
# Checks every shell script. Without shellcheck it is installed where that is possible (Debian and its kin, as root);
# elsewhere the scripts stay unchecked, which is said, and is a failure with CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v shellcheck >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	echo "shellcheck: installing it" >&2
	install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends shellcheck; }
	# The package lists may be missing or older than the mirror.
	log=$(mktemp)
	install >"$log" 2>&1 || { apt-get update && install; } >"$log" 2>&1 || tail -n 20 "$log" >&2
	rm -f "$log"
fi
if ! command -v shellcheck >/dev/null; then
	echo "shellcheck: THE SHELL SCRIPTS ARE NOT CHECKED: install shellcheck" >&2
	[ "${CI:-}" != true ]
	exit
fi
mapfile -t scripts < <(git ls-files '*.sh' '*.sbatch' '.ci/*')
mapfile -t posix < <(awk 'FNR == 1 && $0 == "#!/bin/sh" { print FILENAME }' "${scripts[@]}")
shellcheck --shell=bash "${scripts[@]}"
shellcheck --shell=sh "${posix[@]}"
