#!/usr/bin/env bash
# Unpacks a real Apptainer, and the programs that the tests start beside it, from Debian sid's packages into
# .cache/apptainer of the repository. The script installs nothing on the machine and does nothing where all of it is there.
# Where the packages cannot be had, the tests skip and say so.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/apptainer
# shellcheck source=test/sid.sh
. "$root/test/sid.sh"

say() { printf 'apptainer: %s\n' "$*" >&2; }
[ ! -e "$to" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	say "not root: the tests cannot mount it; tests with Apptainer will skip"
	exit 0
fi

mkdir -p "$root/.cache"
draft=$(mktemp -d "$root/.cache/apptainer.XXXXXX")
log=$(mktemp)
trap 'rm -rf "$draft" "$log"' EXIT

say "unpacking Debian sid's apptainer into .cache/apptainer"
if ! sid_packages "$draft/fetch" apptainer squashfuse fuse3 dash coreutils >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "LOUD: Debian sid cannot be reached: tests with Apptainer will skip"
	exit 0
fi
for deb in "$draft"/fetch/apt/cache/archives/*.deb; do dpkg-deb -x "$deb" "$draft/tree"; done
[ -e "$draft/tree/usr/bin/sh" ] || ln -s dash "$draft/tree/usr/bin/sh"

# The tests mount etc, usr and var over those of the machine. nobody is the user of the tests, and needs a home folder.
sed 's|^\(nobody:[^:]*:[^:]*:[^:]*:[^:]*\):.*|\1:/mnt/nobody:/bin/sh|' /etc/passwd >"$draft/tree/etc/passwd"
cp /etc/group /etc/hosts "$draft/tree/etc/"
cp -L /etc/resolv.conf "$draft/tree/etc/" 2>/dev/null || : >"$draft/tree/etc/resolv.conf"
cp -L /etc/localtime "$draft/tree/etc/" 2>/dev/null || : >"$draft/tree/etc/localtime"
mkdir -p "$draft/tree/var/tmp"
chmod 1777 "$draft/tree/var/tmp"
chmod 755 "$draft/tree"
mv -T "$draft/tree" "$to" 2>/dev/null || [ -e "$to" ] # another process may have been faster
