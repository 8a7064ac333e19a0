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

// crashPlainly lets a crash of the driver end the probe by its signal, which tells the parent what happened. Go would
// catch it and exit with code 2 and a page of goroutines.
func crashPlainly() { C.crash_plainly() }
