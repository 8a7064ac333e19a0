#!/bin/bash
# On a GPU of the cluster now, in this terminal: bash interactive.sh
# The script waits for a free GPU and then shows the progress. Ctrl-C lets the rows in flight finish, and the same command
# continues later. Further arguments go to fluxworker: bash interactive.sh --slots 4
#
# If your cluster wants a partition or an account: SLURM_PARTITION=NAME SLURM_ACCOUNT=NAME bash interactive.sh
# Inside salloc the script uses the allocation, if it is large enough.

# --pty shows the bar, and lets Ctrl-C reach fluxworker.
exec srun --job-name=fluxworker --gres=gpu:1 --cpus-per-task=4 --mem=32G --time=01:00:00 --pty \
  fluxworker run \
  --model "${FLUXWORKER_MODEL:-llama3.2:3b}" \
  --input "${FLUXWORKER_INPUT:-prompts.jsonl}" \
  --output "${FLUXWORKER_OUTPUT:-results.jsonl}" "$@"
