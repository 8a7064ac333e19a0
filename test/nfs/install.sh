#!/usr/bin/env bash
# Unpacks what the NFS tests run on (an NFS server, a port mapper, a kernel with an NFS client) from Debian's packages
# into .cache/nfs of the repository. The script installs nothing on the machine and does nothing where all of it is
# there. Where the packages cannot be had, the tests skip and say why, or fail in CI.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/nfs
packages=(nfs-ganesha-vfs rpcbind user-mode-linux)

say() { printf 'nfs: %s\n' "$*" >&2; }
[ ! -e "$to" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	say "not root: test nodes cannot run; tests on NFS will skip"
	exit 0
fi
if ! command -v apt-get >/dev/null || [ "$(uname -m)" != x86_64 ]; then
	say "no apt-get, or no x86_64: tests on NFS will skip"
	exit 0
fi

mkdir -p "$root/.cache"
draft=$(mktemp -d "$root/.cache/nfs.XXXXXX")
log=$(mktemp)
trap 'rm -rf "$draft" "$log"' EXIT
mkdir -p "$draft/debs/partial" "$draft/tree"

# --reinstall: apt-get would not fetch a package that the machine has. Libraries that the machine has are used from there.
fetch() {
	apt-get install -y --no-install-recommends --download-only --reinstall \
		-o Dir::Cache::archives="$draft/debs" -o APT::Sandbox::User=root "${packages[@]}"
}
say "unpacking ${packages[*]} into .cache/nfs"
# The package lists may be missing or older than the mirror.
if ! fetch >"$log" 2>&1 && ! { apt-get update && fetch; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "apt-get could not fetch ${packages[*]}"
	exit 1
fi
for deb in "$draft"/debs/*.deb; do
	dpkg-deb -x "$deb" "$draft/tree"
done
chmod 755 "$draft/tree"
mv -T "$draft/tree" "$to" 2>/dev/null || [ -e "$to" ] # another process may have been faster
