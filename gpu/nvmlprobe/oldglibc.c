/*
 * Lets the probe start on glibc 2.17 (CentOS 7) and later, whatever glibc it is built on.
 *
 * glibc 2.34 moved libdl and libpthread into libc and gave their functions a new default version, so that a program
 * linked against it does not start on an older one. Each of these functions is wrapped by the linker (--wrap in
 * oldglibc.go), and the wrapper jumps to the old version, which every glibc still has. The jump leaves the return
 * address alone, by which dlopen and dlsym know who asks.
 *
 * A function that is missing here shows at once: `make build` checks the highest version.
 */
#if defined(__x86_64__)
#define BASE "GLIBC_2.2.5" /* the first version of the architecture */
#define DLINFO "GLIBC_2.3.3"
#define JUMP "jmp old_"
#define PLT "@PLT"
#elif defined(__aarch64__)
#define BASE "GLIBC_2.17"
#define DLINFO BASE
#define JUMP "b old_"
#define PLT ""
#endif

#ifdef BASE
#define OLD(name, version)                                                     \
	__asm__(".text\n.globl __wrap_" #name "\n.type __wrap_" #name ", %function\n" \
		"__wrap_" #name ":\n\t" JUMP #name PLT "\n"                        \
		".symver old_" #name ", " #name "@" version "\n")

OLD(dlopen, BASE);
OLD(dlclose, BASE);
OLD(dlsym, BASE);
OLD(dlerror, BASE);
OLD(dlinfo, DLINFO);
OLD(pthread_create, BASE);
OLD(pthread_detach, BASE);
OLD(pthread_sigmask, BASE);
OLD(pthread_getattr_np, BASE);
OLD(pthread_attr_getstack, BASE);
OLD(pthread_attr_getstacksize, BASE);
OLD(pthread_key_create, BASE);
OLD(pthread_setspecific, BASE);

/*
 * The start code of glibc 2.34 and later leaves the running of the constructors to libc: it passes no init function.
 * An old __libc_start_main runs only what it is passed, so it gets one that does it.
 */
typedef int (*main_fn)(int, char **, char **);
typedef void (*init_fn)(int, char **, char **);
typedef void (*end_fn)(void);

extern int old_start(main_fn, int, char **, init_fn, end_fn, end_fn, void *);
__asm__(".symver old_start, __libc_start_main@" BASE);

extern init_fn __init_array_start[] __attribute__((visibility("hidden"), weak));
extern init_fn __init_array_end[] __attribute__((visibility("hidden"), weak));

static void run_constructors(int argc, char **argv, char **env)
{
	long n = __init_array_end - __init_array_start;
	for (long i = 0; i < n; i++)
		__init_array_start[i](argc, argv, env);
}

int __wrap___libc_start_main(main_fn program, int argc, char **argv, init_fn init, end_fn fini, end_fn ld_fini, void *stack_end)
{
	return old_start(program, argc, argv, init ? init : run_constructors, fini, ld_fini, stack_end);
}
#endif
