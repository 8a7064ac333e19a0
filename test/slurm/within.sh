#!/usr/bin/env bash
# Runs a command that finds SLURM's programs of another version in /usr, and all else as it is on this machine:
# go test -exec "test/slurm/within.sh VERSION" runs tests on that version. The command has a mount namespace of its own,
# whose /usr is the folder of unpack.sh over the machine's /usr.
#
# usage: within.sh VERSION COMMAND...
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
newer=$root/.cache/slurm/$1
shift
# slurmd loads every plugin in its folder, and must not see those of the machine's own version.
plugins=$(echo "$newer"/usr/lib/*/slurm-wlm)
# shellcheck disable=SC2016 # the inner shell's own variables
exec unshare --mount --propagation private bash -euc '
	newer=$1 plugins=$2
	shift 2
	mount -t overlay -o "lowerdir=$newer/usr:/usr" overlay /usr
	mount --bind "$plugins" "${plugins#"$newer"}"
	exec "$@"' within "$newer" "$plugins" "$@"
