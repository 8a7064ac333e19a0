#!/usr/bin/env bash
# Unpacks promtool, Prometheus' own checker of metrics, from Debian's package "prometheus" into .cache/promtool of the
# repository. The script installs nothing on the machine and does nothing where promtool is there. Where the package cannot
# be had, the test of the metrics skips and says why, or fails in CI.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/promtool

say() { printf 'promtool: %s\n' "$*" >&2; }
[ ! -e "$to/promtool" ] || exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	say "no apt-get: the test of the metrics will skip"
	exit 0
fi

mkdir -p "$to"
draft=$(mktemp -d "$to/draft.XXXXXX")
trap 'rm -rf "$draft"' EXIT

fetch() { (cd "$draft" && apt-get download -o APT::Sandbox::User=root prometheus) >"$draft/log" 2>&1; }
say "unpacking promtool into .cache/promtool"
# The package lists may be missing or older than the mirror.
if ! fetch && ! { apt-get update >"$draft/log" 2>&1 && fetch; }; then
	tail -n 20 "$draft/log" >&2
	say "apt-get could not fetch the package prometheus"
	exit 1
fi
dpkg-deb -x "$draft"/prometheus_*.deb "$draft/tree"
mv -f "$draft/tree/usr/bin/promtool" "$to/promtool"
