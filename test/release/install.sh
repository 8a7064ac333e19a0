#!/usr/bin/env bash
# Installs what the tests of the release need on Debian and its kin, as root: qemu-user for programs of arm64, and curl and zstd
# for get-ollama.sh. Root folders for the tests are unpacked from Debian's packages into .cache/release, which installs nothing:
#
#   old-amd64, old-arm64   the oldest glibc that Debian's mirrors have (2.31), and nothing else
#   debian                 Debian 12 with bash, tar, a C++ library and both programs for module files
#
# The script does nothing where all of it is there. Where something cannot be had, the tests skip and say why, or fail in CI.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/.cache/release
say() { printf 'release: %s\n' "$*" >&2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

missing=()
for p in qemu-aarch64:qemu-user curl:curl zstd:zstd; do
	command -v "${p%%:*}" >/dev/null || missing+=("${p##*:}")
done
if ! command -v apt-get >/dev/null || { [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" -ne 0 ]; }; then
	say "no apt-get, or not root: install ${missing[*]} by hand; tests of the release will skip until then"
	exit 0
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; }
if [ ${#missing[@]} -gt 0 ]; then
	say "installing ${missing[*]}"
	# The package lists may be missing or older than the mirror.
	if ! install >"$log" 2>&1 && ! { apt-get update && install; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "apt-get could not install ${missing[*]}"
		exit 1
	fi
fi

# unpack NAME RELEASE ARCH PACKAGE…: the packages, and all that they need, in .cache/release/NAME. A package called -PACKAGE
# comes without what it needs. The mirror is the one that the machine's apt uses; apt's own state is left alone.
unpack() {
	local name=$1 release=$2 arch=$3 mirror draft deb package
	shift 3
	[ ! -e "$to/$name" ] || return 0
	say "unpacking $* of Debian $release ($arch) into .cache/release/$name"
	mkdir -p "$to"
	draft=$(mktemp -d "$to/.$name.XXXXXX")
	mkdir -p "$draft/lists/partial" "$draft/cache/archives/partial" "$draft/tree"
	# shellcheck disable=SC2016 # apt-get's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v -e security -e ubuntu | head -n 1)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$draft/sources.list"
	: >"$draft/status"
	local opt=(-o "Dir::Etc::SourceList=$draft/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$draft/lists"
		-o "Dir::State::status=$draft/status" -o "Dir::Cache=$draft/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none
		-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o Debug::NoLocking=1)
	local whole=() alone=()
	for package; do
		case $package in -*) alone+=("${package#-}") ;; *) whole+=("$package") ;; esac
	done
	if ! {
		apt-get "${opt[@]}" -o APT::Update::Error-Mode=any update &&
			apt-get "${opt[@]}" install --yes --download-only --no-install-recommends "${whole[@]}" &&
			{ [ ${#alone[@]} -eq 0 ] || (cd "$draft/cache/archives" && apt-get "${opt[@]}" download "${alone[@]}"); }
	} >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -rf "$draft"
		say "LOUD: Debian $release cannot be reached: tests of the release will skip"
		return 0
	fi
	for deb in "$draft"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$draft/tree"; done
	mv -T "$draft/tree" "$to/$name" 2>/dev/null || [ -e "$to/$name" ] # another process may have been faster
	rm -rf "$draft"
}
unpack old-amd64 bullseye amd64 libc6
unpack old-arm64 bullseye arm64 libc6
unpack debian bookworm amd64 base-files bash dash coreutils tar gzip libstdc++6 libgomp1 lmod -environment-modules
