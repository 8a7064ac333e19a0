/* Reads the table. Strict, so that a mistake in a test fails it. */
#include "table.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024ULL * 1024ULL)

struct table table;

/* The exit code is none of the probe's. */
static void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "fakenvml: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	_exit(99);
}

static int is(const char *a, const char *b) { return !strcmp(a, b); }

static void copy(char *to, size_t size, const char *from)
{
	if (strlen(from) >= size)
		fail("too long: %s", from);
	strcpy(to, from);
}

static u64 number(const char *s)
{
	char *end;
	u64 n = strtoull(s, &end, 0);
	if (end == s || *end)
		fail("not a number: %s", s);
	return n;
}

/* Cuts the next "word" or "key=value" off the line; a value may be in double quotes. Null at the end of the line. */
static char *next(char **line, char **value)
{
	char *p = *line + strspn(*line, " \t\r");
	if (!*p || *p == '#')
		return 0;
	char *key = p;
	p += strcspn(p, " \t\r=");
	*value = "";
	if (*p == '=') {
		*p++ = 0;
		int quoted = *p == '"';
		p += quoted;
		*value = p;
		p += strcspn(p, quoted ? "\"" : " \t\r");
	}
	if (*p)
		*p++ = 0;
	*line = p;
	return key;
}

static struct nvmlDevice_st *add_gpu(void)
{
	if (table.ngpus == MAX_GPUS)
		fail("too many GPUs");
	int i = table.ngpus++;
	struct nvmlDevice_st *d = &table.gpus[i];
	d->gpu = i;
	d->instance = -1;
	d->total = 81920 * MIB;
	d->cc_major = 8;
	d->power = 60000;
	d->temp = 35;
	d->ecc = 1;
	copy(d->name, sizeof d->name, "NVIDIA A100-SXM4-80GB");
	snprintf(d->uuid, sizeof d->uuid, "GPU-00000000-0000-0000-0000-%012d", i);
	snprintf(d->pci, sizeof d->pci, "00000000:%02X:00.0", 7 + i);
	return d;
}

static struct nvmlDevice_st *add_instance(void)
{
	if (!table.ngpus)
		fail("a mig line before the first gpu line");
	struct nvmlDevice_st *g = &table.gpus[table.ngpus - 1];
	if (g->ninstances == MAX_INSTANCES)
		fail("too many MIG instances");
	int i = g->ninstances++;
	struct nvmlDevice_st *d = &table.instances[g->gpu][i];
	d->gpu = g->gpu;
	d->instance = i;
	d->gi = 7 + i;
	d->total = 9728 * MIB;
	copy(d->profile, sizeof d->profile, "1g.10gb");
	snprintf(d->uuid, sizeof d->uuid, "MIG-00000000-0000-0000-%04d-%012d", g->gpu, i);
	g->mig = 1;
	return d;
}

static int set_device(struct nvmlDevice_st *d, const char *key, const char *value)
{
	if (is(key, "uuid")) copy(d->uuid, sizeof d->uuid, value);
	else if (is(key, "name")) copy(d->name, sizeof d->name, value);
	else if (is(key, "pci")) copy(d->pci, sizeof d->pci, value);
	else if (is(key, "profile")) copy(d->profile, sizeof d->profile, value);
	else if (is(key, "mem_mib")) d->total = number(value) * MIB;
	else if (is(key, "used_mib")) d->used = number(value) * MIB;
	else if (is(key, "reserved_mib")) d->reserved = number(value) * MIB;
	else if (is(key, "util")) d->util = number(value);
	else if (is(key, "temp")) d->temp = number(value);
	else if (is(key, "power_mw")) d->power = number(value);
	else if (is(key, "energy_mj")) d->energy = number(value);
	else if (is(key, "throttle")) d->throttle = number(value);
	else if (is(key, "ecc")) d->ecc = number(value);
	else if (is(key, "ecc_uncorr")) d->ecc_uncorr = number(value);
	else if (is(key, "mig")) d->mig = is(value, "none") ? -1 : (int)number(value);
	else if (is(key, "lost")) d->lost = number(value);
	else if (is(key, "perm")) d->perm = number(value);
	else if (is(key, "gi")) d->gi = number(value);
	else if (is(key, "ci")) d->ci = number(value);
	else if (is(key, "cc")) return sscanf(value, "%d.%d", &d->cc_major, &d->cc_minor) == 2;
	else return 0;
	return 1;
}

static int set_proc(struct proc *p, const char *key, const char *value)
{
	if (is(key, "pid")) p->pid = number(value);
	else if (is(key, "used_mib")) p->used = is(value, "na") ? (u64)NVML_VALUE_NOT_AVAILABLE : number(value) * MIB;
	else if (is(key, "type")) p->type = *value;
	else return 0;
	return 1;
}

static int set_rule(struct rule *r, const char *key, const char *value)
{
	if (is(key, "fn")) copy(r->fn, sizeof r->fn, value);
	else if (is(key, "gpu")) r->gpu = number(value);
	else if (is(key, "mig")) r->mig = number(value);
	else if (is(key, "ret")) r->ret = number(value);
	else if (is(key, "hang")) r->hang = number(value);
	else if (is(key, "crash")) r->crash = number(value);
	else if (is(key, "print")) r->print = number(value);
	else return 0;
	return 1;
}

static int set_sys(const char *key, const char *value)
{
	if (is(key, "driver")) copy(table.driver, sizeof table.driver, value);
	else if (is(key, "init")) table.init = number(value);
	else return 0;
	return 1;
}

/* Reads one line. last is the device that a proc line belongs to. */
static void read_line(char *line, struct nvmlDevice_st **last)
{
	char *key, *value, *word = next(&line, &value);
	struct nvmlDevice_st *gpu = table.ngpus ? &table.gpus[table.ngpus - 1] : 0;
	struct proc *proc = 0;
	struct rule *rule = 0;
	if (!word)
		return;
	if (is(word, "gpu")) {
		*last = add_gpu();
	} else if (is(word, "mig")) {
		*last = add_instance();
	} else if (is(word, "proc")) {
		if (!*last || (*last)->nprocs == MAX_PROCS)
			fail("a proc line that belongs nowhere");
		proc = &(*last)->procs[(*last)->nprocs++];
		proc->type = 'C';
	} else if (is(word, "on")) {
		if (table.nrules == MAX_RULES)
			fail("too many rules");
		rule = &table.rules[table.nrules++];
		rule->gpu = rule->mig = rule->ret = -1;
		copy(rule->fn, sizeof rule->fn, "*");
	} else if (is(word, "xid")) {
		if (!gpu || gpu->nxids == MAX_XIDS)
			fail("an xid line that belongs nowhere");
	} else if (!is(word, "sys")) {
		fail("unknown word %s", word);
	}
	while ((key = next(&line, &value))) {
		int known;
		if (is(word, "sys")) known = set_sys(key, value);
		else if (proc) known = set_proc(proc, key, value);
		else if (rule) known = set_rule(rule, key, value);
		else if (is(word, "xid")) {
			known = is(key, "code");
			gpu->xids[gpu->nxids++] = number(value);
		} else known = set_device(*last, key, value);
		if (!known)
			fail("%s: unknown or wrong: %s=%s", word, key, value);
	}
}

void table_load(void)
{
	static char text[65536], before[65536];
	const char *path = getenv("FAKE_NVML_FILE");
	if (!path)
		fail("FAKE_NVML_FILE is not set");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s", path);
	ssize_t n = 0, got;
	while ((got = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += got;
	close(fd);
	if (got < 0 || n == sizeof text - 1)
		fail("cannot read %s", path);
	text[n] = 0;
	if (*before && is(text, before))
		return;
	strcpy(before, text);

	memset(&table, 0, sizeof table);
	copy(table.driver, sizeof table.driver, "550.54.15");
	struct nvmlDevice_st *last = 0;
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = 0;
		read_line(line, &last);
	}
	/* What the instances use is used on their GPU. */
	for (int i = 0; i < table.ngpus; i++)
		for (int j = 0; j < table.gpus[i].ninstances; j++)
			table.gpus[i].used += table.instances[i][j].used;
}
