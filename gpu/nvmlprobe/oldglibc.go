//go:build cgo && linux

package main

// The functions that oldglibc.c wraps. Before glibc 2.34 they are in libdl and libpthread. The linker of a newer glibc
// would not link against these two by itself.

/*
#cgo LDFLAGS: -Wl,--wrap=dlopen -Wl,--wrap=dlclose -Wl,--wrap=dlsym -Wl,--wrap=dlerror -Wl,--wrap=dlinfo
#cgo LDFLAGS: -Wl,--wrap=pthread_create -Wl,--wrap=pthread_detach -Wl,--wrap=pthread_sigmask
#cgo LDFLAGS: -Wl,--wrap=pthread_getattr_np -Wl,--wrap=pthread_attr_getstack -Wl,--wrap=pthread_attr_getstacksize
#cgo LDFLAGS: -Wl,--wrap=pthread_key_create -Wl,--wrap=pthread_setspecific
#cgo LDFLAGS: -Wl,--wrap=__libc_start_main
#cgo LDFLAGS: -Wl,--no-as-needed -l:libdl.so.2 -l:libpthread.so.0
*/
import "C"
