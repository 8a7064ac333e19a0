// Package nvml reads a gpu.Report from NVIDIA's management library. It needs cgo, and it may hang or crash with the
// driver: only the probe, a child process, imports it.
//
// go-nvml binds the library's functions when they are first called, and a call of a function that the driver does not
// have ends the process. So each function is looked up before it is called, and a missing one is a missing reading.
package nvml
