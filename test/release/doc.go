// Package release tests what "make release" makes, and scripts/get-ollama.sh: the archives are unpacked in places that have
// little else, and programs of arm64 run under qemu-user.
package release
