package containers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// programVariable holds the path of the program under test for the test program that runs in a mount namespace of its own.
const programVariable = "FLUXWORKER_TEST_PROGRAM"

// What a container does not show by itself.
const (
	models  = "/mnt/models"
	gguf    = "/mnt/bigram.gguf"
	scratch = "/mnt/scratch"
	home    = "/mnt/nobody" // by the passwd of make apptainer
	program = "/mnt/fluxworker"
)

// The images, with Ollama in them.
const (
	folder  = "/mnt/image"    // a folder: needs no FUSE
	setting = "/mnt/settings" // a folder whose %environment has settings for Ollama, as images from Docker have
	file    = "/mnt/image.sif"
)

// TestMain runs the tests in a mount namespace of their own.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(programVariable) != "":
		if err := setUp(); err != nil {
			fmt.Fprintln(os.Stderr, "tests with containers:", err)
			os.Exit(1)
		}
		harness.Main(m)
	case missing() != nil:
		os.Exit(m.Run()) // skips
	default:
		code, err := runInside()
		if err != nil {
			fmt.Fprintln(os.Stderr, "tests with containers:", err)
			code = 1
		}
		os.Exit(code)
	}
}

// errNoApptainer means that Debian sid could not be reached.
var errNoApptainer = errors.New("APPTAINER IS NOT TESTED: run make apptainer")

// missing returns what the tests lack; nil if they can run.
func missing() error {
	if os.Getuid() != 0 {
		return errors.New("not root: Apptainer cannot be mounted")
	}
	if _, err := os.Stat(engine("o/bin/ollama")); err != nil {
		return fmt.Errorf("no real engine: %w; run make engine", err)
	}
	if _, err := os.Stat(unpacked("usr/bin/apptainer")); err != nil {
		return errNoApptainer
	}
	return nil
}

// need skips a test for want of what it needs, and fails it in CI. Only Apptainer may be missing there, since Debian sid cannot
// be reached everywhere.
func need(t *testing.T) {
	t.Helper()
	if os.Getenv(programVariable) != "" {
		return
	}
	err := missing()
	if errors.Is(err, errNoApptainer) {
		t.Skip(err)
	}
	build.Missing(t, "%v", err)
}

// engine returns a path in the folder that "make engine" fills.
func engine(name string) string {
	dir := os.Getenv("FLUXWORKER_ENGINE_DIR")
	if dir == "" {
		dir = "../../.cache/engine"
	}
	return filepath.Join(dir, name)
}

// unpacked returns a path in the folder that "make apptainer" fills.
func unpacked(name string) string { return filepath.Join("../../.cache/apptainer", name) }

// withSetuid is the folder that "make apptainer-setuid" fills: /opt of a machine whose Apptainer is setuid.
const withSetuid = "../../.cache/apptainer-setuid"

func runInside() (code int, err error) {
	program, err := build.Program()
	if err != nil {
		return 0, err
	}
	inside := exec.Command("/proc/self/exe", os.Args[1:]...)
	inside.Env = append(os.Environ(), programVariable+"="+program)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL} // Go makes the mounts private
	err = inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return 1, nil
	}
	return 0, err
}

// setUp makes /mnt, and mounts Debian sid over the machine's folders.
func setUp() error {
	if err := syscall.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /mnt: %w", err)
	}
	if err := makeImages(); err != nil {
		return err
	}
	if err := makeModels(); err != nil {
		return err
	}
	if err := copyFile(os.Getenv(programVariable), program); err != nil {
		return err
	}
	for _, dir := range []string{scratch, home} {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 65534, 65534)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"etc", "var", "usr"} {
		if err := syscall.Mount(unpacked(dir), "/"+dir, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /%s: %w", dir, err)
		}
	}
	if _, err := os.Stat(withSetuid); err == nil {
		if err := syscall.Mount(withSetuid, "/opt", "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /opt: %w", err)
		}
	}
	return makeImageFile()
}

// makeImages makes the folders. The libraries of the machine's own release go with its Ollama.
func makeImages() error {
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "var/tmp", "usr/bin", "etc"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"passwd", "group", "hosts", "resolv.conf", "localtime"} {
		if err := os.WriteFile(filepath.Join(folder, "etc", name), nil, 0o644); err != nil {
			return err
		}
	}
	if err := os.Symlink("usr/bin", folder+"/bin"); err != nil {
		return err
	}
	ollama := engine("o/bin/ollama")
	files := map[string]string{ollama: "/usr/bin/ollama"}
	out, err := exec.Command("ldd", ollama).Output()
	if err != nil {
		return fmt.Errorf("find the libraries of %s: %w", ollama, err)
	}
	for _, word := range strings.Fields(string(out)) {
		if filepath.IsAbs(word) {
			files[word] = word
		}
	}
	for from, to := range files {
		if err := copyFile(from, folder+to); err != nil {
			return err
		}
	}
	if err := os.CopyFS(setting, os.DirFS(folder)); err != nil {
		return err
	}
	const environment = "export OLLAMA_HOST=0.0.0.0:11434 OLLAMA_NUM_PARALLEL=1 OLLAMA_DEBUG_LOG_REQUESTS=1\n"
	for name, text := range map[string]string{"90-environment.sh": environment, "99-base.sh": ""} { // as "apptainer build" names them
		if err := writeFile(filepath.Join(setting, ".singularity.d/env", name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// makeModels copies the model bigram, which nobody may not read where it is.
func makeModels() error {
	name := "manifests/registry.ollama.ai/library/bigram/latest"
	manifest, err := os.ReadFile(engine("models/" + name))
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(models, name), manifest, 0o644); err != nil {
		return err
	}
	for _, word := range strings.Split(string(manifest), `"`) {
		if digest, found := strings.CutPrefix(word, "sha256:"); found {
			blob := "blobs/sha256-" + digest
			if err := copyFile(engine("models/"+blob), filepath.Join(models, blob)); err != nil {
				return err
			}
		}
	}
	return copyFile(engine("gguf/bigram.gguf"), gguf)
}

// makeImageFile makes the SIF file, without compression, and lets nobody use FUSE. Without FUSE in the kernel there is no file.
func makeImageFile() error {
	if _, err := os.Stat("/dev/fuse"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	const device = "/mnt/fuse"
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 229))); err != nil {
		return fmt.Errorf("make %s: %w", device, err)
	}
	if err := errors.Join(os.Chmod(device, 0o666), syscall.Mount(device, "/dev/fuse", "", syscall.MS_BIND, "")); err != nil {
		return err
	}
	const squashed = "/mnt/image.sqfs"
	for _, command := range []string{
		"mksquashfs " + folder + " " + squashed + " -all-root -noI -noD -noF -noX -no-progress",
		"apptainer sif new " + file,
		"apptainer sif add --datatype 4 --parttype 2 --partfs 1 --partarch 2 --groupid 1 " + file + " " + squashed,
	} {
		argv := strings.Fields(command)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, out)
		}
	}
	return errors.Join(os.Remove(squashed), os.Chmod(file, 0o644))
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, data, 0o755)
}

// writeFile writes a file and the folders above it, whatever the umask.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, data, mode), os.Chmod(path, mode))
}
