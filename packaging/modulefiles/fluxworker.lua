-- The module file of fluxworker for Lmod. It finds fluxworker in the archive's folder, which may stand anywhere. If you copy the
-- module file out of that folder, write the folder here: local root = "/sw/fluxworker/0.1.0"
local root = string.gsub(myFileName(), "/share/modulefiles/.*", "")

whatis("Name: fluxworker")
whatis("Version: " .. myModuleVersion())
whatis("Description: answers a file of prompts with a local Ollama server inside a SLURM job")
help("fluxworker answers a file of prompts with a local Ollama server inside a SLURM job. See: man fluxworker")

prepend_path("PATH", pathJoin(root, "bin"))
prepend_path("MANPATH", pathJoin(root, "share/man"))
prepend_path("FPATH", pathJoin(root, "share/zsh/site-functions"))
prepend_path("XDG_DATA_DIRS", pathJoin(root, "share")) -- bash-completion and fish look there

-- The defaults of your site; a flag of the user wins. fluxworker(1) and docs/administrators.md explain the names.
-- setenv("FLUXWORKER_OLLAMA", "/sw/ollama/0.34.3/bin/ollama")
-- setenv("OLLAMA_MODELS", "/sw/ollama/models")
