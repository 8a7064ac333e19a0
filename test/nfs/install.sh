#!/usr/bin/env bash
# Unpacks what the NFS tests run on (an NFS server, a port mapper, a kernel with an NFS client) from Debian's packages
# into .cache/nfs of the repository. The script installs nothing on the machine and does nothing where all of it is
# there. Where the packages cannot be had, the tests skip and say why, or fail in CI.
#
# The kernel, User Mode Linux, is that of Debian sid: those up to 6.12 do not run on processors whose registers take more
# room than they know of, such as Intel's with AMX ("ptrace set fp regs failed").
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/nfs
packages=(nfs-ganesha-vfs rpcbind)
# shellcheck source=test/sid.sh
. "$root/test/sid.sh"

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

say "unpacking Debian sid's user-mode-linux into .cache/nfs/sid"
if ! sid_packages "$draft/fetch" user-mode-linux >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "LOUD: Debian sid cannot be reached: tests on NFS will skip"
	exit 0
fi
sid=$draft/tree/sid
mkdir "$sid"
for deb in "$draft"/fetch/apt/cache/archives/*.deb; do dpkg-deb -x "$deb" "$sid"; done
# sid's kernel wants sid's C library. It runs with the loader at a place that the tests make for it (server_test.go), since
# a kernel that a loader starts finds no room for its memory. The new name has the length of the old one.
LC_ALL=C sed -i 's|/lib64/ld-linux-x86-64\.so\.2\x00|/run/uml/ld-linux-x86-64.so\x00|' "$sid/usr/bin/linux.uml"
grep -q /run/uml/ld-linux-x86-64.so "$sid/usr/bin/linux.uml" || { say "the loader of sid's linux.uml has another name than expected"; exit 1; }
chmod 755 "$draft/tree"
mv -T "$draft/tree" "$to" 2>/dev/null || [ -e "$to" ] # another process may have been faster
