package ollama

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The command that starts a server may run Ollama in a container of Apptainer or SingularityCE. Such a container shows $HOME,
// /tmp and the working folder alone, has a HOME of its own, and gets no environment with --cleanenv or --containall. Variables
// change all three. Apptainer reads the variables of both prefixes, SingularityCE only its own; other programs read neither.
// (Apptainer 1.4: cmd/internal/cli/action_flags.go, internal/pkg/util/env/create.go)

// containerOptions lists the variables of Apptainer and SingularityCE that a server gets from containerVariables.
var containerOptions = []string{"APPTAINER_BIND", "SINGULARITY_BIND", "APPTAINER_HOME", "SINGULARITY_HOME"}

// containerPrefixes begin the names of variables that exist inside the container, under the rest of the name. They win over
// the variables of the image.
var containerPrefixes = []string{"APPTAINERENV_", "SINGULARITYENV_"}

// quoted makes a value one that stays as it is: Apptainer evaluates values of the prefixed variables as a shell does between
// double quotes (injectEnvHandler in its process_linux.go), and escapes the quotes alone.
var quoted = strings.NewReplacer(`\`, `\\`, "$", `\$`, "`", "\\`")

// insideName returns the name that a variable has inside a container.
func insideName(name string) string {
	for _, prefix := range containerPrefixes {
		name = strings.TrimPrefix(name, prefix)
	}
	return name
}

// containerVariables returns the variables that take the settings and the server's folders into a container. A folder is added
// to those of the user.
func containerVariables(job, settings []string, s Settings) []string {
	var env []string
	for _, v := range settings {
		if variableName(v) == "HOME" {
			continue // Apptainer refuses it: APPTAINER_HOME takes its place
		}
		for _, prefix := range containerPrefixes {
			env = append(env, prefix+quoted.Replace(v))
		}
	}
	folders := strings.Join(binds(s, lookup(job, "HOME")), ",")
	home := s.Home
	if strings.Contains(home, ":") {
		home = "" // it would name two folders
	}
	for _, prefixes := range [][2]string{{"APPTAINER_", "SINGULARITY_"}, {"SINGULARITY_", "APPTAINER_"}} {
		own := func(option string) string {
			return cmp.Or(lookup(job, prefixes[0]+option), lookup(job, prefixes[1]+option))
		}
		env = append(env,
			prefixes[0]+"BIND="+strings.Trim(own("BIND")+","+folders, ","),
			prefixes[0]+"HOME="+cmp.Or(own("HOME"), home))
	}
	return env
}

// binds lists the folders and files that a server must see: the user's home folder, whose place the scratch folder takes, the
// scratch folder, and the models. A path that does not exist, or that a bind cannot name, is left out.
func binds(s Settings, home string) []string {
	var list []string
	add := func(path string) {
		below := func(folder string) bool { return strings.HasPrefix(path+"/", folder+"/") }
		if filepath.IsAbs(path) && path != "/" && !strings.ContainsAny(path, `,:\`) && !slices.ContainsFunc(list, below) {
			list = append(list, path)
		}
	}
	if _, err := os.Stat(home); err == nil {
		add(home) // with its links: commands name it so
	}
	paths := []string{home, s.Home, s.Models, filepath.Join(s.Models, "blobs"), filepath.Join(s.Models, "manifests")}
	if s.File != nil {
		paths = append(paths, s.File.Path, s.File.Projector)
	}
	for _, path := range paths {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			add(real)
		}
	}
	return list
}

// lookup returns the value of a variable; "" without one.
func lookup(env []string, name string) string {
	for _, v := range env {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return ""
}
