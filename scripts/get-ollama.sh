#!/bin/sh
# Fetches a release of Ollama without root, on a machine with a network such as the login node of a cluster:
#
#   get-ollama.sh [VERSION] [FOLDER]
#
# VERSION is 0.17.4 or later (default: 0.34.3, with which fluxworker is tested). FOLDER is where Ollama gets a folder of its own,
# FOLDER/VERSION (default: ~/ollama). Other versions in FOLDER stay. The compute nodes must see FOLDER, too.
#
# Standard output is the path of the program alone:   export FLUXWORKER_OLLAMA=$(get-ollama.sh)
#
# A download that was cut off goes on where it stopped, when the same command runs again. Nothing is at FOLDER/VERSION before
# all of it is there. GET_OLLAMA_FROM names another place of the releases than GitHub: a mirror of your site, or file:///FOLDER.
set -eu

version=${1:-0.34.3}
folder=${2:-${HOME:-}/ollama}
floor=0.17.4
from=${GET_OLLAMA_FROM:-https://github.com/ollama/ollama/releases/download}

say() { printf 'get-ollama: %s\n' "$*" >&2; }
die() {
	say "$@"
	exit 1
}

# older A B: whether version A is older than version B.
older() {
	[ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$1" ]
}

# bytes FILE: its size; 0 where there is no file.
bytes() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

case $version in
-*)
	sed -n 's/^# \{0,1\}//; 2,13p' "$0" >&2
	exit 64
	;;
esac
version=${version#v}
case $version in
*[!0-9.]* | *..* | .* | *.) die "the version is \"$version\"; it must be one such as 0.34.3" ;;
*.*.*) ;;
*) die "the version is \"$version\"; it must be one such as 0.34.3" ;;
esac
if older "$version" "$floor"; then
	die "Ollama $version silently cuts long prompts, and fluxworker refuses it; take $floor or later"
fi
case $(uname -sm) in
"Linux x86_64") arch=amd64 ;;
"Linux aarch64" | "Linux arm64") arch=arm64 ;;
*) die "there is no Ollama for $(uname -sm) that fluxworker can use; it needs Linux on x86_64 or aarch64" ;;
esac

target=$folder/$version
if [ -x "$target/bin/ollama" ]; then
	say "Ollama $version is there already"
	printf '%s\n' "$target/bin/ollama"
	exit 0
fi
[ ! -e "$target" ] || die "$target is there without bin/ollama; remove it, or name another folder: get-ollama.sh $version FOLDER"
for tool in curl tar zstd sha256sum awk; do
	command -v "$tool" >/dev/null || die "there is no $tool; load the module that has it, or get it without root, for example with conda: conda install -c conda-forge $tool"
done
mkdir -p "$folder" || die "cannot make $folder; name another folder: get-ollama.sh $version FOLDER"
folder=$(cd "$folder" && pwd)
target=$folder/$version

archive=ollama-linux-$arch.tar.zst
url=$from/v$version/$archive
get() { curl --fail --location --silent --show-error --connect-timeout 30 "$@"; }

sums=$(get --retry 3 "$from/v$version/sha256sum.txt") ||
	die "cannot read the checksums at $from/v$version/sha256sum.txt: is there a version $version, and does this machine reach the network? Else fetch both files elsewhere and set GET_OLLAMA_FROM=file:///FOLDER, with the files in FOLDER/v$version"
want=$(printf '%s\n' "$sums" | awk -v name="$archive" '{ sub(/^[.*]?\//, "", $2); sub(/^\*/, "", $2) } $2 == name { print $1 }')
[ "${#want}" -eq 64 ] || die "$from/v$version/sha256sum.txt has no checksum of $archive; look at the releases on https://github.com/ollama/ollama"
head=$(get --retry 3 --head "$url") || die "cannot read $url; look at the releases on https://github.com/ollama/ollama"
size=$(printf '%s\n' "$head" | tr -d '\r' | awk 'tolower($1) == "content-length:" { n = $2 } END { print n }')
case $size in
'' | *[!0-9]*) die "the server does not say the size of $url; try again later" ;;
esac

part=$folder/.ollama-$version-$arch.part
# The files of Ollama are less than three times as large as the archive.
need=$(((3 * size + size - $(bytes "$part")) / 1024))
free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
if [ "$free" -lt "$need" ]; then
	die "$folder has $((free / 1024)) MiB free, and Ollama $version needs up to $((need / 1024)) MiB while it is unpacked; name another folder: get-ollama.sh $version FOLDER"
fi

# The part is the lock, too: a second call must not write into it. A file system without flock has no such protection; there
# the checksum finds a mixture.
touch "$part" || die "cannot write into $folder; name another folder: get-ollama.sh $version FOLDER"
exec 9>>"$part"
if command -v flock >/dev/null; then
	status=0
	flock -n 9 || status=$?
	[ "$status" -ne 1 ] || die "another get-ollama.sh fetches Ollama $version into $folder; wait for its end"
fi

say "fetching $url, $((size / 1048576)) MiB, into $folder"
failures=0
while have=$(bytes "$part") && [ "$have" -ne "$size" ]; do
	if [ "$have" -gt "$size" ]; then
		: >"$part" # of another archive
		continue
	fi
	[ "$have" -eq 0 ] || say "going on at $((have / 1048576)) MiB"
	status=0
	# A connection that brings nothing for a minute is cut off.
	get --speed-limit 1 --speed-time 60 --continue-at "$have" --output "$part" "$url" || status=$?
	if [ "$status" -eq 33 ]; then # the server cannot go on in the middle
		: >"$part"
	elif [ "$(bytes "$part")" -gt "$have" ]; then
		failures=0
		continue
	fi
	failures=$((failures + 1))
	[ "$failures" -lt 5 ] || die "cannot fetch $url (curl ended with $status); the same command goes on where this one stopped"
	sleep "$failures"
done
got=$(sha256sum <"$part" | cut -d' ' -f1)
if [ "$got" != "$want" ]; then
	rm -f "$part"
	die "$url has the checksum $got, and sha256sum.txt says $want; the file is removed: run the same command again"
fi

draft=$folder/.get-ollama-$version
trap 'rm -rf "$draft"' EXIT
trap 'exit 143' HUP INT TERM
rm -rf "$draft" # of a call that was killed
mkdir -p "$draft/$version"
say "unpacking"
tar -C "$draft/$version" -I zstd -xof "$part" ||
	die "cannot unpack Ollama $version in $folder: is the disk full, or your quota used up? The download stays; make room and run the same command again"
program=$draft/$version/bin/ollama
if ! said=$(HOME=$draft OLLAMA_HOST=127.0.0.1:1 "$program" --version 2>&1); then
	rm -f "$part"
	die "Ollama $version does not start on this machine: $said; try an older version, or Ollama in a container (docs/administrators.md)"
fi
mv "$draft/$version" "$target"
rm -f "$part"
say "Ollama $version is in $target; tell fluxworker with: export FLUXWORKER_OLLAMA=$target/bin/ollama"
printf '%s\n' "$target/bin/ollama"
