/*
 * The functions of a stand-in libnvidia-ml.so.1 that the probe calls. It is compiled against go-nvml's nvml.h, so that
 * a struct of another layout shows.
 *
 * FAKE_OLD_DRIVER leaves out what a driver of the series 450 does not have: the second version of the memory call, all
 * but the first of the process lists, and the new name of the throttle reasons.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Deprecated functions are what old drivers have. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "table.h"

/* go-nvml's nvml.h wraps a handle in a struct and the real one does not; in the calling convention both are a pointer.
 * So each function has a private name here, and the real one as its symbol. */
typedef struct nvmlDevice_st *dev;
typedef struct nvmlEventSet_st *set;
#define FUNCTION(name, ...)                              \
	nvmlReturn_t fake_##name(__VA_ARGS__) __asm__(#name); \
	nvmlReturn_t fake_##name(__VA_ARGS__)

#define ENTER(d)                                                   \
	do {                                                       \
		nvmlReturn_t r = enter(__func__ + strlen("fake_"), d); \
		if (r != NVML_SUCCESS)                             \
			return r;                                  \
	} while (0)
#define GPU_ONLY(d)                                \
	do {                                       \
		if ((d)->instance >= 0)            \
			return NVML_ERROR_NOT_SUPPORTED; \
	} while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int initialised;

/* Appends the process and the function to the file that FAKE_NVML_LOG names, which may be a pipe. */
static void note(const char *fn)
{
	const char *path = getenv("FAKE_NVML_LOG");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	dprintf(fd, "%d %s\n", (int)getpid(), fn);
	close(fd);
}

/* What each call begins with: it is noted, the table is read again and the first rule that fits is followed. */
static nvmlReturn_t enter(const char *fn, dev d)
{
	pthread_mutex_lock(&lock);
	note(fn);
	table_load();
	struct rule rule = { .ret = -1 };
	for (int i = 0; i < table.nrules; i++) {
		struct rule *r = &table.rules[i];
		if ((strcmp(r->fn, "*") && strcmp(r->fn, fn)) || (r->gpu >= 0 && (!d || d->gpu != r->gpu)) ||
		    (r->mig >= 0 && (!d || (d->instance >= 0) != r->mig)))
			continue;
		rule = *r;
		break;
	}
	int ready = initialised || !strncmp(fn, "nvmlInit", strlen("nvmlInit"));
	int lost = d && table.gpus[d->gpu].lost;
	pthread_mutex_unlock(&lock);
	if (rule.print) {
		printf("WARNING: the library talks\n");
		fflush(stdout);
	}
	if (rule.crash)
		*(volatile int *)0 = 1;
	while (rule.hang)
		pause();
	if (rule.ret >= 0)
		return rule.ret;
	if (!ready)
		return NVML_ERROR_UNINITIALIZED;
	return lost ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

static nvmlReturn_t give(char *to, unsigned size, const char *from)
{
	if (strlen(from) >= size)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	strcpy(to, from);
	return NVML_SUCCESS;
}

/* ---- the library ---- */

FUNCTION(nvmlInit_v2, void)
{
	ENTER(0);
	if (!table.init)
		initialised = 1;
	return table.init;
}

FUNCTION(nvmlShutdown, void)
{
	ENTER(0);
	initialised = 0;
	return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t r)
{
	switch (r) {
	case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
	case NVML_ERROR_NO_PERMISSION: return "Insufficient Permissions";
	case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
	case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
	case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
	default: return "Unknown Error";
	}
}

FUNCTION(nvmlSystemGetDriverVersion, char *to, unsigned size) { ENTER(0); return give(to, size, table.driver); }

/* ---- handles ---- */

FUNCTION(nvmlDeviceGetCount_v2, unsigned *n) { ENTER(0); *n = table.ngpus; return NVML_SUCCESS; }

FUNCTION(nvmlDeviceGetHandleByIndex_v2, unsigned i, dev *d)
{
	ENTER(0);
	if (i >= (unsigned)table.ngpus)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (table.gpus[i].perm)
		return NVML_ERROR_NO_PERMISSION;
	if (table.gpus[i].lost)
		return NVML_ERROR_GPU_IS_LOST;
	*d = &table.gpus[i];
	return NVML_SUCCESS;
}

FUNCTION(nvmlDeviceGetName, dev d, char *to, unsigned size)
{
	ENTER(d);
	char name[160];
	if (d->instance < 0)
		return give(to, size, d->name);
	snprintf(name, sizeof name, "%s MIG %s", table.gpus[d->gpu].name, d->profile);
	return give(to, size, name);
}

FUNCTION(nvmlDeviceGetUUID, dev d, char *to, unsigned size) { ENTER(d); return give(to, size, d->uuid); }

FUNCTION(nvmlDeviceGetPciInfo_v3, dev d, nvmlPciInfo_t *p)
{
	ENTER(d);
	GPU_ONLY(d);
	memset(p, 0, sizeof *p);
	return give(p->busId, sizeof p->busId, d->pci);
}

FUNCTION(nvmlDeviceGetCudaComputeCapability, dev d, int *major, int *minor)
{
	ENTER(d);
	*major = table.gpus[d->gpu].cc_major;
	*minor = table.gpus[d->gpu].cc_minor;
	return NVML_SUCCESS;
}

/* ---- memory ---- */

FUNCTION(nvmlDeviceGetMemoryInfo, dev d, nvmlMemory_t *m)
{
	ENTER(d);
	m->total = d->total;
	m->used = d->used + d->reserved; /* this version counts the reserved part as used */
	m->free = m->total - m->used;
	return NVML_SUCCESS;
}

#ifndef FAKE_OLD_DRIVER
FUNCTION(nvmlDeviceGetMemoryInfo_v2, dev d, nvmlMemory_v2_t *m)
{
	ENTER(d);
	if (m->version != nvmlMemory_v2)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	m->total = d->total;
	m->reserved = d->reserved;
	m->used = d->used;
	m->free = d->total - d->reserved - d->used;
	return NVML_SUCCESS;
}
#endif

/* Lists the processes of a type: of a GPU those of its instances too. A caller asks with no room first. */
#define PROCESSES(d, n, out, wanted, fill)                                                              \
	do {                                                                                            \
		unsigned room = *n, found = 0;                                                          \
		for (int i = -1; i < ((d)->instance < 0 ? (d)->ninstances : 0); i++) {                   \
			dev from = i < 0 ? (d) : &table.instances[(d)->gpu][i];                          \
			for (int k = 0; k < from->nprocs; k++) {                                        \
				struct proc *p = &from->procs[k];                                       \
				if (p->type != wanted)                                                  \
					continue;                                                       \
				if (found < room) {                                                     \
					memset(&out[found], 0, sizeof out[found]);                      \
					out[found].pid = p->pid;                                        \
					out[found].usedGpuMemory = p->used;                             \
					fill                                                            \
				}                                                                       \
				found++;                                                                \
			}                                                                               \
		}                                                                                       \
		*n = found;                                                                             \
		return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;                      \
	} while (0)

#ifdef FAKE_OLD_DRIVER
FUNCTION(nvmlDeviceGetComputeRunningProcesses, dev d, unsigned *n, nvmlProcessInfo_v1_t *out)
{
	ENTER(d);
	PROCESSES(d, n, out, 'C', );
}
#else
#define WITH_INSTANCE                                                    \
	out[found].gpuInstanceId = from->instance < 0 ? ~0u : from->gi;      \
	out[found].computeInstanceId = from->instance < 0 ? ~0u : from->ci;

FUNCTION(nvmlDeviceGetComputeRunningProcesses_v3, dev d, unsigned *n, nvmlProcessInfo_t *out)
{
	ENTER(d);
	PROCESSES(d, n, out, 'C', WITH_INSTANCE);
}

FUNCTION(nvmlDeviceGetGraphicsRunningProcesses_v3, dev d, unsigned *n, nvmlProcessInfo_t *out)
{
	ENTER(d);
	PROCESSES(d, n, out, 'G', WITH_INSTANCE);
}

FUNCTION(nvmlDeviceGetMPSComputeRunningProcesses_v3, dev d, unsigned *n, nvmlProcessInfo_t *out)
{
	ENTER(d);
	PROCESSES(d, n, out, 'M', WITH_INSTANCE);
}
#endif

/* ---- health and load: GPUs have it, MIG instances do not ---- */

FUNCTION(nvmlDeviceGetCurrentClocksThrottleReasons, dev d, u64 *mask) { ENTER(d); GPU_ONLY(d); *mask = d->throttle; return NVML_SUCCESS; }

#ifndef FAKE_OLD_DRIVER
FUNCTION(nvmlDeviceGetCurrentClocksEventReasons, dev d, u64 *mask) { ENTER(d); GPU_ONLY(d); *mask = d->throttle; return NVML_SUCCESS; }
#endif

FUNCTION(nvmlDeviceGetTotalEccErrors, dev d, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter, u64 *n)
{
	ENTER(d);
	GPU_ONLY(d);
	if (!d->ecc)
		return NVML_ERROR_NOT_SUPPORTED;
	*n = type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED && counter == NVML_VOLATILE_ECC ? d->ecc_uncorr : 0;
	return NVML_SUCCESS;
}

FUNCTION(nvmlDeviceGetUtilizationRates, dev d, nvmlUtilization_t *u)
{
	ENTER(d);
	if (d->instance >= 0 || d->mig > 0)
		return NVML_ERROR_NOT_SUPPORTED;
	u->gpu = d->util;
	u->memory = 0;
	return NVML_SUCCESS;
}

FUNCTION(nvmlDeviceGetTemperature, dev d, nvmlTemperatureSensors_t sensor, unsigned *t) { ENTER(d); GPU_ONLY(d); *t = d->temp; return NVML_SUCCESS; }
FUNCTION(nvmlDeviceGetPowerUsage, dev d, unsigned *mw) { ENTER(d); GPU_ONLY(d); *mw = d->power; return NVML_SUCCESS; }
FUNCTION(nvmlDeviceGetTotalEnergyConsumption, dev d, u64 *mj) { ENTER(d); GPU_ONLY(d); *mj = d->energy; return NVML_SUCCESS; }

/* ---- MIG ---- */

FUNCTION(nvmlDeviceGetMigMode, dev d, unsigned *current, unsigned *pending)
{
	ENTER(d);
	if (d->instance >= 0 || d->mig < 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*current = *pending = d->mig;
	return NVML_SUCCESS;
}

FUNCTION(nvmlDeviceGetMaxMigDeviceCount, dev d, unsigned *n) { ENTER(d); GPU_ONLY(d); *n = 7; return NVML_SUCCESS; }

FUNCTION(nvmlDeviceGetMigDeviceHandleByIndex, dev d, unsigned i, dev *instance)
{
	ENTER(d);
	if (d->instance >= 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (i >= (unsigned)d->ninstances)
		return NVML_ERROR_NOT_FOUND;
	*instance = &table.instances[d->gpu][i];
	return (*instance)->perm ? NVML_ERROR_NO_PERMISSION : NVML_SUCCESS;
}

FUNCTION(nvmlDeviceGetGpuInstanceId, dev d, unsigned *id) { ENTER(d); *id = d->gi; return d->instance < 0 ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS; }
FUNCTION(nvmlDeviceGetComputeInstanceId, dev d, unsigned *id) { ENTER(d); *id = d->ci; return d->instance < 0 ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS; }

/* ---- critical errors: each xid line once, then those that are added to the table while somebody waits ---- */

struct nvmlEventSet_st {
	int registered[MAX_GPUS];
	int told[MAX_GPUS];
};
static struct nvmlEventSet_st events;

FUNCTION(nvmlEventSetCreate, set *s) { ENTER(0); memset(&events, 0, sizeof events); *s = &events; return NVML_SUCCESS; }
FUNCTION(nvmlEventSetFree, set s) { ENTER(0); return NVML_SUCCESS; }
FUNCTION(nvmlDeviceRegisterEvents, dev d, u64 types, set s) { ENTER(d); GPU_ONLY(d); s->registered[d->gpu] = 1; return NVML_SUCCESS; }

FUNCTION(nvmlEventSetWait_v2, set s, nvmlEventData_t *event, unsigned timeout_ms)
{
	struct timespec moment = { 0, 5 * 1000 * 1000 };
	memset(event, 0, sizeof *event);
	for (unsigned waited = 0; waited <= timeout_ms; waited += 5) {
		ENTER(0);
		pthread_mutex_lock(&lock);
		for (int i = 0; i < table.ngpus; i++) {
			dev d = &table.gpus[i];
			if (!s->registered[i] || s->told[i] >= d->nxids)
				continue;
			memcpy(&event->device, &d, sizeof d);
			event->eventType = nvmlEventTypeXidCriticalError;
			event->eventData = d->xids[s->told[i]++];
			event->gpuInstanceId = event->computeInstanceId = ~0u;
			pthread_mutex_unlock(&lock);
			return NVML_SUCCESS;
		}
		pthread_mutex_unlock(&lock);
		nanosleep(&moment, 0);
	}
	return NVML_ERROR_TIMEOUT;
}
