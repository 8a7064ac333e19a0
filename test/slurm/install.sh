#!/usr/bin/env bash
# Installs what the tests' SLURM cluster runs on (Debian and its kin). It does nothing where all of it is there, and
# says so where it may not install: the tests then skip and say why, or fail in CI.
set -euo pipefail

missing=()
for p in munged:munge slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client; do
	command -v "${p%%:*}" >/dev/null || missing+=("${p##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

say() { printf 'slurm: %s\n' "$*" >&2; }
if [ "$(id -u)" -ne 0 ]; then
	say "not root: a test cluster can neither be installed nor run; tests on SLURM will skip"
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	say "no apt-get: install ${missing[*]} by hand; tests on SLURM will skip until then"
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
