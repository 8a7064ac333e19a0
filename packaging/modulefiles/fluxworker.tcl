#%Module1.0
# The module file of fluxworker for Environment Modules. It finds fluxworker in the archive's folder, which may stand anywhere.
# If you copy the module file out of that folder, write the folder here: set root /sw/fluxworker/0.1.0
set root [file dirname [file dirname [file dirname [file dirname [file normalize $ModulesCurrentModulefile]]]]]

module-whatis "answers a file of prompts with a local Ollama server inside a SLURM job"
proc ModulesHelp { } {
    puts stderr "fluxworker answers a file of prompts with a local Ollama server inside a SLURM job. See: man fluxworker"
}

prepend-path PATH $root/bin
prepend-path MANPATH $root/share/man
prepend-path FPATH $root/share/zsh/site-functions
# bash-completion and fish look there.
prepend-path XDG_DATA_DIRS $root/share

# The defaults of your site; a flag of the user wins. fluxworker(1) and docs/administrators.md explain the names.
# setenv FLUXWORKER_OLLAMA /sw/ollama/0.34.3/bin/ollama
# setenv OLLAMA_MODELS /sw/ollama/models
