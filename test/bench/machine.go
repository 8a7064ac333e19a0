package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// machine describes the machine of the measurement.
type machine struct {
	cpu        string
	cores      int
	memory     int64 // bytes
	kernel     string
	filesystem string // of the scratch folder
	load       string // of everything on the machine, as it was at the end
	commit     string
}

func describe(scratch string) machine {
	return machine{
		cpu: after("/proc/cpuinfo", "model name"), cores: runtime.NumCPU(), memory: memoryOf(after("/proc/meminfo", "MemTotal")),
		kernel: kernel(), filesystem: filesystemOf(scratch), load: firstWords("/proc/loadavg", 3), commit: commit(),
	}
}

func (m machine) String() string {
	return fmt.Sprintf(`| | |
|---|---|
| CPU | %s, %d cores |
| memory | %.1f GiB |
| kernel | %s |
| Go | %s |
| scratch on | %s |
| load of the machine at the end | %s |
| commit | %s |
`, m.cpu, m.cores, float64(m.memory)/(1<<30), m.kernel, runtime.Version(), m.filesystem, m.load, m.commit)
}

// after is the value of a key in one of the kernel's files.
func after(path, key string) string {
	data, _ := os.ReadFile(path)
	for text := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(text, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWords(path string, n int) string {
	data, _ := os.ReadFile(path)
	words := strings.Fields(string(data))
	return strings.Join(words[:min(n, len(words))], " ")
}

// memoryOf reads an amount as the kernel writes it, in kB.
func memoryOf(text string) (bytes int64) {
	fmt.Sscanf(text, "%d kB", &bytes)
	return bytes << 10
}

func kernel() string {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		return "unknown"
	}
	var b bytes.Buffer
	for _, c := range name.Release {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// filesystemOf names the file system that holds a folder: the mount with the longest path above it.
func filesystemOf(folder string) string {
	data, _ := os.ReadFile("/proc/mounts")
	found, kind := "", "unknown"
	for text := range strings.Lines(string(data)) {
		f := strings.Fields(text)
		if len(f) < 3 {
			continue
		}
		above := f[1] == "/" || folder == f[1] || strings.HasPrefix(folder, f[1]+"/")
		if above && len(f[1]) >= len(found) {
			found, kind = f[1], f[2]
		}
	}
	return kind
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
