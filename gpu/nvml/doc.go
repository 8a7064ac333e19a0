// Package nvml reads a gpu.Report from NVIDIA's management library (NVML). It needs cgo, and it may hang or crash
// together with the driver: only the probe, a child process, imports it.
//
// go-nvml binds a library function at its first call, and the call of a function that the driver does not have ends the
// process. So this package looks up each function before the call. A missing function only means a missing value.
package nvml
