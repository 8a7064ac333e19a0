#!/bin/bash
# Submits a job script until every row is done, for work that takes longer than a job may:
#
#   bash chain.sh results.jsonl single-gpu.sbatch [OPTION OF SBATCH]...
#
# results.jsonl is the output of that script. You may log out: chain.sh submits the job, and itself as a small job that starts
# after every end of the first job (afterany). The small job asks "fluxworker status" and submits the next pair, or stops:
# when every row is done, after 20 jobs (CHAIN_JOBS), or when two jobs in a row brought no row. chain.log has the log. To end
# a chain, scancel the small job first.
#
# If both jobs need a partition or an account: SBATCH_PARTITION=NAME SBATCH_ACCOUNT=NAME bash chain.sh ...

# The needs of the small job:
#SBATCH --job-name=fluxworker-chain
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=00:10:00
#SBATCH --output=chain.log
#SBATCH --open-mode=append

set -euo pipefail
say() { echo "$(date '+%F %T') $*"; }

# As a small job: the number of jobs left, the rows done before the last job, and the number of jobs without a new row.
left=${CHAIN_JOBS:-20} before=0 idle=-1
if [ "${1:-}" = --link ]; then
  left=$2 before=$3 idle=$4
  shift 4
fi
if [ $# -lt 2 ]; then
  echo "usage: bash chain.sh OUTPUT SCRIPT [OPTION OF SBATCH]..." >&2
  exit 64
fi
output=$1 script=$2
shift 2

code=0
status=$(fluxworker status --json --output "$output" 2>&1) || code=$?
case $code in
  0) say "every row is done" && exit 0 ;;
  65) rows=0 ;; # there is no output yet
  75) rows=$(($(sed -nE 's/.*"total":\{"rows_ok":([0-9]+),"rows_failed":([0-9]+).*/\1 + \2/p' <<<"$status"))) ;;
  *) say "fluxworker status ended with code $code: $status" && exit "$code" ;;
esac

idle=$((rows > before ? 0 : idle + 1))
if [ "$idle" -ge 2 ]; then
  say "stopped: two jobs in a row brought no row, $rows are done; see what the jobs printed" && exit 1
elif [ "$left" -le 0 ]; then
  say "stopped: that were all jobs of this chain, $rows rows are done; start it again to continue" && exit 1
fi

# Inside a job the next job would inherit the variables of this job.
for name in "${!SLURM_@}"; do
  [ "$name" = SLURM_CONF ] || unset "$name"
done
job=$(sbatch --parsable "$@" "$script")
job=${job%%;*}
# In a job, $0 is SLURM's copy of this script.
link=$(sbatch --parsable --dependency="afterany:$job" "$0" --link $((left - 1)) "$rows" "$idle" "$output" "$script" "$@")
say "$rows rows are done; submitted job $job, and job ${link%%;*} to look after it"
