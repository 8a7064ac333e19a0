#!/usr/bin/env bash
# Unpacks a SLURM that is newer than the machine's own from Debian's packages into .cache/slurm/VERSION of the
# repository, with the libraries that it needs. The script installs nothing on the machine and does nothing where the
# version is there. Where the version cannot be had, the script says so loudly, and its tests do not run.
#
# usage: unpack.sh VERSION    24.11 (Debian trixie) or 26.05 (Debian sid)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
version=${1:-}
to=$root/.cache/slurm/$version
# shellcheck source=test/sid.sh
. "$root/test/sid.sh"

say() { printf 'slurm: %s\n' "$*" >&2; }
cannot() { say "LOUD: $*: tests on SLURM $version will not run"; exit 0; }

case $version in
24.11) release=trixie ;;
26.05) release=sid ;;
*) say "no version \"$version\": name 24.11 or 26.05"; exit 1 ;;
esac
[ ! -e "$to" ] || exit 0
mkdir -p "$root/.cache/slurm"
draft=$(mktemp -d "$root/.cache/slurm/draft.XXXXXX")
trap 'rm -rf "$draft"' EXIT

say "unpacking SLURM $version of Debian $release into .cache/slurm/$version"
if ! debian_packages "$release" "$draft" slurmctld slurmd slurm-client munge >"$draft/log" 2>&1; then
	tail -n 20 "$draft/log" >&2
	cannot "Debian $release cannot be reached"
fi
debs=$draft/apt/cache/archives
has=$(dpkg-deb --field "$debs"/slurmd_*.deb Version)
[[ $has == "$version".* ]] || cannot "Debian $release has SLURM $has by now"
# The machine's own programs run on these libraries, too (within.sh), so everything but SLURM is taken from the machine.
for deb in "$debs"/{slurm,munge,lib}*.deb; do dpkg-deb -x "$deb" "$draft/tree"; done
for program in slurmctld slurmd slurmstepd; do ln -sf "$program-wlm" "$draft/tree/usr/sbin/$program"; done
chmod 755 "$draft/tree"
mv -T "$draft/tree" "$to" 2>/dev/null || [ -e "$to" ] # another process may have been faster
# Not root, a kernel without overlayfs, a release whose libraries do not suit the machine's programs...
if ! "$root/test/slurm/within.sh" "$version" slurmd -V >"$draft/log" 2>&1; then
	cat "$draft/log" >&2
	rm -rf "$to"
	cannot "its slurmd does not run over the machine's /usr"
fi
