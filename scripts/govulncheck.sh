#!/usr/bin/env bash
# govulncheck.sh COMMAND: runs govulncheck and tells a database that cannot be reached from a finding: a machine without
# a way out must still be able to lint.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if $1 ./... >"$log" 2>&1; then
	cat "$log"
elif grep -q 'fetching vulnerabilities' "$log"; then
	echo "govulncheck: not run, the vulnerability database cannot be reached from here"
else
	cat "$log"
	exit 1
fi
