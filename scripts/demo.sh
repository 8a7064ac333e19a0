#!/usr/bin/env bash
# The demo: 200 prompts through a real Ollama server and a tiny model on the CPU. Run it as "make demo".
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${DEMO_DIR:-.cache/demo}
mkdir -p "$dir"

engine=${FLUXWORKER_ENGINE_DIR:-.cache/engine}

# An Ollama that is there is taken. Else the new generation is built: its llama-server is ready-made, so that takes a minute or two.
# Without Debian sid, which has llama-server, the old generation with its C++ is built in some minutes.
if [ -n "${FLUXWORKER_OLLAMA:-}" ]; then
	ollama=$FLUXWORKER_OLLAMA
elif command -v ollama >/dev/null; then
	ollama=$(command -v ollama)
else
	test/engine/build.sh new
	ollama=$engine/n/bin/ollama
	if [ ! -x "$ollama" ]; then
		test/engine/build.sh old
		ollama=$engine/o/bin/ollama
	fi
fi
test/engine/build.sh store "$ollama"

# The tiny model knows one rule: it goes on with the alphabet from the prompt's last character.
for i in $(seq 1 200); do
	printf '{"custom_id":"demo-%03d","prompt":"prompt %d ends in %s"}\n' "$i" "$i" "$(printf '%b' "\\x$(printf %x $((97 + i % 25)))")"
done >"$dir/prompts.jsonl"
rm -rf "$dir"/results*

command=(bin/fluxworker run --model bigram --input "$dir/prompts.jsonl" --output "$dir/results.jsonl"
	--ollama "$ollama" --ollama-models "$engine/models" --device cpu --slots 8)
printf '\n$ %s\n' "${command[*]}"
"${command[@]}"

printf '\nthe first prompts and their answers:\n'
head -n 3 "$dir/prompts.jsonl" | while read -r row; do
	id=${row#*'"custom_id":"'} prompt=${row#*'"prompt":"'}
	id=${id%%'"'*} prompt=${prompt%%'"'*}
	answer=$(sed -n "s/.*\"custom_id\":\"$id\".*\"content\":\"\([^\"]*\)\".*/\1/p" "$dir/results.jsonl")
	printf '  %s  %-24s -> %s\n' "$id" "$prompt" "$answer"
done
printf '\nthe results are in %s\n' "$dir/results.jsonl"
cat <<'END'

what to try next:
  bin/fluxworker plan --model llama3.1:8b --gpu A100-80GB    what a run would start on a GPU that is not here
  bin/fluxworker validate --model llama3.1:8b --input FILE   whether each row of your own file can be asked
  bin/fluxworker doctor                                      what a real run still needs on this machine, with remedies
END
