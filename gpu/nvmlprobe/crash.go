//go:build cgo && linux

package main

/*
#include <signal.h>

static void crash_plainly(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	for (unsigned i = 0; i < sizeof crashes / sizeof *crashes; i++)
		signal(crashes[i], SIG_DFL);
}
*/
import "C"

// crashPlainly lets a crash of the driver end the probe by its signal, so that the parent sees the cause. Go would
// catch the signal, exit with code 2 and print all goroutines.
func crashPlainly() { C.crash_plainly() }
