#!/usr/bin/env bash
# Builds an Apptainer with setuid, which many clusters have and no Debian package, from the sources of Debian sid's Apptainer
# into .cache/apptainer-setuid. The script installs nothing on the machine and does nothing where all of it is there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/apptainer-setuid

say() { printf 'apptainer-setuid: %s\n' "$*" >&2; }
[ ! -e "$to" ] || exit 0
[ "$(id -u)" -eq 0 ] || { say "not root: a setuid program belongs to root"; exit 1; }

mkdir -p "$root/.cache"
draft=$(mktemp -d "$root/.cache/apptainer-setuid.XXXXXX")
trap 'chmod -R u+w "$draft" && rm -rf "$draft"' EXIT

say "fetching the sources of Debian sid's apptainer"
# shellcheck disable=SC2016 # apt-get's own variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v -e security -e ubuntu | head -n 1)
mkdir -p "$draft/lists/partial" "$draft/archives/partial" "$draft/source"
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$draft/sources.list"
: >"$draft/status"
opt=(-o "Dir::Etc::SourceList=$draft/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$draft/lists"
	-o "Dir::State::status=$draft/status" -o "Dir::Cache=$draft" -o APT::Sandbox::User=root -o Acquire::Languages=none)
cd "$draft"
{ apt-get "${opt[@]}" update && apt-get "${opt[@]}" source --download-only apptainer; } >"$draft/log" 2>&1 || { cat "$draft/log" >&2; exit 1; }
tar -xf apptainer_*.orig.tar.* -C source --strip-components 1
for archive in apptainer_*.orig.tar.*; do version=${archive#apptainer_} && version=${version%%.orig*}; done

say "building Apptainer $version (about 5 minutes on 2 cores)"
cd source
echo "$version" >VERSION
./mconfig --with-suid --without-seccomp --without-libsubid --without-network --prefix=/opt/apptainer >>"$draft/log" 2>&1
: >builddir/apptainer.deps # the lists of what to build again after a change: not needed, and slow
: >builddir/starter.deps
# Its make empties Go's cache, so it gets one for itself.
export GOCACHE=$draft/go-cache GOFLAGS=-mod=mod
for goal in all install; do
	make -s -C builddir DESTDIR="$draft/tree" man_pages_INSTALL= bash_completions_INSTALL= "$goal" >>"$draft/log" 2>&1 || { tail -n 20 "$draft/log" >&2; exit 1; }
done
chmod 755 "$draft/tree/opt"
mv -T "$draft/tree/opt" "$to"
