#!/usr/bin/env bash
# Puts DuckDB, a reader of tables that is not ours, into .cache/duckdb with npm. It installs Node from Debian where it is missing.
# It does nothing where all of it is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=1.5.6-r.1
to=.cache/duckdb
say() { printf 'duckdb: %s\n' "$*" >&2; }
[ ! -e "$to/$version" ] || exit 0

missing=()
for p in node:nodejs npm:npm; do
	command -v "${p%%:*}" >/dev/null || missing+=("${p##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		say "install ${missing[*]}; tests that read tables with DuckDB will skip until then"
		exit 0
	fi
	say "installing ${missing[*]}"
	install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2; }
	install || { apt-get update >&2 && install; }
fi
mkdir -p "$to"
npm install --prefix "$to" --no-audit --no-fund --no-save --loglevel=error "@duckdb/node-api@$version" >&2
cp test/duckdb/query.mjs "$to/query.mjs" # beside the modules that it imports
touch "$to/$version"
