#!/usr/bin/env bash
# Makes the archives of a release, with checksums and bills of materials, in a folder: release.sh FOLDER. "make release" is
# the way to call it.
#
# The same commit gives the same bytes on any machine with the same Go, gcc and glibc, in any folder, at any time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:?usage: release.sh FOLDER}
go=${GO:-go}
version=$(cat VERSION)
release=${RELEASE:?set RELEASE to the version and the commit, or run: make release}
floor=${GLIBC_FLOOR:?set GLIBC_FLOOR to the oldest glibc, or run: make release}

# What the caller has set must not show in the bytes.
unset GOFLAGS GOEXPERIMENT CFLAGS LDFLAGS
export LC_ALL=C TZ=UTC GOAMD64=v1 GOARM64=v8.0 CGO_CFLAGS='-O2 -g -Wno-deprecated-declarations'
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
umask 022

die() { printf 'release: %s\n' "$*" >&2; exit 1; }
declare -A compiler=([amd64]=x86_64-linux-gnu-gcc [arm64]=aarch64-linux-gnu-gcc)
for gcc in "${compiler[@]}"; do
	command -v "$gcc" >/dev/null || die "there is no $gcc, which builds the NVML probe; packaging/install.sh installs it on Debian, as root"
done

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# programs ARCH: fluxworker with the probe in it, in $work/ARCH.
programs() {
	local arch=$1 to=$work/$1
	mkdir "$to"
	CGO_ENABLED=1 GOARCH=$arch CC=${compiler[$arch]} "$go" build -trimpath -buildvcs=false \
		-ldflags '-s -w -extldflags=-Wl,-z,lazy' -o "$to/nvmlprobe" ./gpu/nvmlprobe
	"$go" run -trimpath ./gpu/nvmlprobe/glibcfloor "$floor" "$to/nvmlprobe"
	"$go" run -trimpath ./gpu/nvmlprobe/compress "$to/nvmlprobe"
	printf '{"Replace": {"%s": "%s"}}' "$PWD/gpu/probe.bin.zst" "$to/nvmlprobe.zst" >"$to/overlay.json"
	CGO_ENABLED=0 GOARCH=$arch "$go" build -trimpath -buildvcs=false -tags fluxworker_probe -overlay "$to/overlay.json" \
		-ldflags "-s -w -X main.release=$release" -o "$to/fluxworker" ./cmd/fluxworker
}

# tree ARCH: the files of the archive, below $work/fluxworker-VERSION-linux-ARCH. The places are those of a system folder
# such as /usr, so that man, the shells and "module use" find them.
tree() {
	local arch=$1 to=$work/fluxworker-$version-linux-$1
	mkdir -p "$to/bin" "$to/share/fluxworker" "$to/share/modulefiles/fluxworker"
	cp "$work/$arch/fluxworker" scripts/get-ollama.sh "$to/bin/"
	cp -r "$work/share/." "$to/share/"
	cp -r scripts/sbatch "$to/share/fluxworker/"
	cp packaging/modulefiles/fluxworker.lua "$to/share/modulefiles/fluxworker/$version.lua"
	cp packaging/modulefiles/fluxworker.tcl "$to/share/modulefiles/fluxworker/$version"
	cp LICENSE CHANGELOG.md "$to/"
	"$go" run -trimpath ./packaging/inventory -licences "$to/THIRD-PARTY-LICENCES.txt" "$work/$arch/fluxworker" "$work/$arch/nvmlprobe"
}

"$go" run -trimpath -tags manpages -ldflags "-X main.release=$release" ./cmd/fluxworker "$work/share"
mkdir "$work/out"
for arch in amd64 arm64; do
	name=fluxworker-$version-linux-$arch
	programs "$arch"
	tree "$arch"
	tar -C "$work" --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-c "$name" | gzip -9n >"$work/out/$name.tar.gz"
	"$go" run -trimpath ./packaging/inventory -version "$version" -archive "$work/out/$name.tar.gz" -sbom "$work/out/$name.cdx.json" \
		"$work/$arch/fluxworker" "$work/$arch/nvmlprobe"
done

# The recipes name the archives by their checksums.
sum() { sha256sum "$work/out/fluxworker-$version-linux-$1.tar.gz" | cut -d' ' -f1; }
fill() { sed -e "s/@VERSION@/$version/g" -e "s/@SHA256_AMD64@/$(sum amd64)/" -e "s/@SHA256_ARM64@/$(sum arm64)/" "$1"; }
fill packaging/easybuild/fluxworker.eb >"$work/out/fluxworker-$version.eb"
fill packaging/spack/package.py >"$work/out/package.py"
fill packaging/apptainer/fluxworker.def >"$work/out/fluxworker-$version.def"

rm -f "$out/SHA256SUMS" # stands for a whole release, so it comes last
mv -f "$work/out"/* "$out/"
cd "$out"
sha256sum "fluxworker-$version-linux-"*.{tar.gz,cdx.json} "fluxworker-$version".{eb,def} package.py | tee "$work/SHA256SUMS"
mv "$work/SHA256SUMS" .
