/* The table that scripts the stand-in library; its language is described in the Go package's comment. */
#ifndef TABLE_H
#define TABLE_H

#define NVML_NO_UNVERSIONED_FUNC_DEFS 1
#include "nvml.h"

enum { MAX_GPUS = 32, MAX_INSTANCES = 16, MAX_PROCS = 64, MAX_RULES = 64, MAX_XIDS = 32 };

typedef unsigned long long u64;

struct proc {
	unsigned pid;
	u64 used;
	char type; /* C: compute, G: graphics, M: compute through MPS */
};

/* A GPU or a MIG instance. nvml.h declares the handle as a pointer to a struct of this name. */
struct nvmlDevice_st {
	int gpu;      /* index in the table */
	int instance; /* index of a MIG instance on its GPU, -1 for a GPU */
	char uuid[80], name[96], pci[24], profile[32];
	u64 total, used, reserved, throttle, ecc_uncorr, energy;
	unsigned util, temp, power, gi, ci;
	int cc_major, cc_minor;
	int ecc;  /* 0: the GPU has none */
	int mig;  /* mode; -1: the GPU cannot be cut */
	int lost, perm;
	int nprocs, ninstances, nxids;
	struct proc procs[MAX_PROCS];
	unsigned xids[MAX_XIDS];
};

/* What happens at a call before the function does its own work. */
struct rule {
	char fn[64];   /* the function, or "*" */
	int gpu, mig;  /* which device; -1: any */
	int ret;       /* return this; -1: go on */
	int hang, crash, print;
};

struct table {
	char driver[80];
	int init; /* what nvmlInit returns */
	int ngpus, nrules;
	struct nvmlDevice_st gpus[MAX_GPUS], instances[MAX_GPUS][MAX_INSTANCES];
	struct rule rules[MAX_RULES];
};

extern struct table table;

/* Reads the file that FAKE_NVML_FILE names, if it has changed. A mistake in it ends the process. */
void table_load(void);

#endif
