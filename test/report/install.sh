#!/usr/bin/env bash
# Gets what the tests of the report need: Chromium, Node.js and fonts from Debian's packages, installed with apt-get where they
# are missing, and from npm the packages of package-lock.json, in .cache/browser of the repository. The script does nothing where
# all of it is there. Where it may not install or reach no network, the tests skip and say why, or fail in CI.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
to=$root/.cache/browser
say() { printf 'browser: %s\n' "$*" >&2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

missing=()
for p in chromium:chromium node:nodejs npm:npm; do
	command -v "${p%%:*}" >/dev/null || missing+=("${p##*:}")
done
[ ${#missing[@]} -eq 0 ] || missing+=(fonts-liberation2) # the page's own names of fonts end with it
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		say "not root, or no apt-get: install ${missing[*]} by hand; tests in a browser will skip until then"
		exit 0
	fi
	install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; }
	say "installing ${missing[*]}"
	# The package lists may be missing or older than the mirror.
	if ! install >"$log" 2>&1 && ! { apt-get update && install; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "apt-get could not install ${missing[*]}"
		exit 1
	fi
fi

[ ! -e "$to" ] || ! cmp -s "$here/package-lock.json" "$to/package-lock.json" || exit 0
mkdir -p "$root/.cache"
draft=$(mktemp -d "$root/.cache/browser.XXXXXX")
trap 'rm -rf "$draft" "$log"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$draft"
say "unpacking html-validate, axe-core and puppeteer-core into .cache/browser"
if ! npm ci --prefix "$draft" --ignore-scripts --no-audit --no-fund >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "LOUD: npm's registry cannot be reached: tests in a browser will skip"
	exit 0
fi
chmod 755 "$draft"
rm -rf "$to"
mv -T "$draft" "$to" 2>/dev/null || [ -e "$to" ] # another process may have been faster
