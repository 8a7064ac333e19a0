// Package containers tests servers in containers of a real Apptainer. "make apptainer" unpacks Debian sid's Apptainer, and
// "make engine" builds the Ollama that the image holds; the tests need root.
//
// The tests run in a mount namespace of their own, in which the folders of the unpacked Debian sid lie over those of the
// machine. The machine's mounts stay as they are. Jobs belong to nobody. Home folder, model, scratch folder and GGUF file are in
// /mnt, which no container shows by itself.
//
// Real are Apptainer 1.4 without setuid (today's default), its images and Ollama. A setuid Apptainer is in no Debian package;
// "make apptainer-setuid" builds it.
package containers
