#!/bin/bash
# On a GPU of the cluster now, in this terminal: bash interactive.sh
# It waits until a GPU is free and then shows how far it is. Ctrl-C lets the rows in flight finish; the same command goes
# on. What is added goes to fluxworker: bash interactive.sh --slots 4
#
# A partition or an account that your cluster asks for: SLURM_PARTITION=NAME SLURM_ACCOUNT=NAME bash interactive.sh
# Inside of salloc it uses what salloc has got, if that is enough.

# --pty is for the bar, and for Ctrl-C to reach fluxworker.
exec srun --job-name=fluxworker --gres=gpu:1 --cpus-per-task=4 --mem=32G --time=01:00:00 --pty \
  fluxworker run \
  --model "${FLUXWORKER_MODEL:-llama3.2:3b}" \
  --input "${FLUXWORKER_INPUT:-prompts.jsonl}" \
  --output "${FLUXWORKER_OUTPUT:-results.jsonl}" "$@"
