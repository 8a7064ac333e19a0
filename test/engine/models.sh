# The models that the tests run. A part of build.sh, which reads this file; it is one of its own because the engines are built
# anew when build.sh changes.
# shellcheck shell=bash disable=SC2154 # here and out are build.sh's

model() {
	local k
	k=$(key "$here/o/go.sum" "$here"/o/mkgguf/*.go)
	fresh model "$k" && return
	rm -rf "$out/gguf"
	mkdir -p "$out/gguf"
	(cd "$here/o" && CGO_ENABLED=0 go run ./mkgguf "$out/gguf")
	echo "$k" >"$out/model.stamp"
	say "wrote the models in $out/gguf"
}

# store OLLAMA: imports the models with a server that lives for this only, on loopback and a port that the kernel picks.
# Both generations read the same folder.
store() {
	local k home server address='' i ollama
	# A program, or a command in quotes, as fluxworker takes it; a relative path must hold from another folder, too.
	if [ -f "$1" ]; then ollama=("$(realpath "$1")"); else read -ra ollama <<<"$1"; fi
	model
	k=$(key "$out"/gguf/*.gguf "$here"/*Modelfile)
	fresh models "$k" && return
	home=$(mktemp -d)
	: >"$out/store.log" # the server's own shell may open it later than it is read here
	HOME=$home OLLAMA_HOST=127.0.0.1:0 OLLAMA_MODELS=$out/models OLLAMA_NO_CLOUD=1 "${ollama[@]}" serve >>"$out/store.log" 2>&1 &
	server=$!
	for ((i = 0; i < 3000; i++)); do
		address=$(sed -n 's/.*Listening on \([0-9.:]*\).*/\1/p' "$out/store.log")
		[ -n "$address" ] && break
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	if [ -z "$address" ] || ! HOME=$home OLLAMA_HOST=$address import "${ollama[@]}" >>"$out/store.log" 2>&1; then
		kill $server 2>/dev/null || true
		die "${ollama[*]} cannot import the models; see $out/store.log"
	fi
	kill $server
	wait $server || true
	rm -rf "$home"
	echo "$k" >"$out/models.stamp"
	say "imported the models into $out/models"
}

# import OLLAMA…: has the server at OLLAMA_HOST make a model of each file, with the projector beside it where there is one.
# What a model's own Modelfile says goes before what Modelfile says for all: of two templates the last counts.
import() {
	local file name
	for file in "$out"/gguf/*.gguf; do
		name=$(basename "$file" .gguf)
		case $name in *.mmproj) continue ;; esac
		{
			echo "FROM $file"
			if [ -f "$out/gguf/$name.mmproj.gguf" ]; then echo "FROM $out/gguf/$name.mmproj.gguf"; fi
			cat "$here/Modelfile"
			if [ -f "$here/$name.Modelfile" ]; then cat "$here/$name.Modelfile"; fi
		} >"$HOME/Modelfile"
		"$@" create "$name" -f "$HOME/Modelfile" || return 1
	done
}
