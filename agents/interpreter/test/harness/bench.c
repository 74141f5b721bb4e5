/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Evaluates content over the events of a guest's day, for as many rounds as it is told.
 *
 *	bench interpreter CONTENT KEY ROUNDS   by the interpreter
 *	bench byhand CONTENT KEY ROUNDS        by the rules of content.Baseline, written out
 *	bench compare CONTENT KEY ROUNDS       by both, which must give the same verdicts
 *
 * CONTENT is a channel file, KEY a file with the vendor's public key. The answer is "EVALUATIONS NANOSECONDS": of
 * CPU time, of the evaluations alone. It ends with 1 if verdicts differ, and with 2 when it cannot measure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "byhand.h"

/*
 * What a guest sees while each kind of synthetic threat has its turn, by how often, at the scenario language's default tempo:
 * in 42 s some ten times each of the four kinds of workload, 21 threats and 21 looks for an update.
 */
static const struct { unsigned int times; const char *dir, *name; } programs[] = {
	{ 90, "/opt/fleetfall", "work" }, { 30, "/opt/fleetfall", "load" }, { 21, "/opt/fleetfall", "updater" },
	{ 1, "/opt/fleetfall", "interp" }, { 7, "/opt/fleetfall", "threat-exec-17" }, { 7, "/opt/fleetfall", "threat-mark-17" },
	{ 1, "/opt/fleetfall", "threat-short-17" }, { 1, "/run", "threat-script-17" },
};

static const struct { unsigned int times; const char *operation, *name, *new_name; } files[] = {
	{ 80, "write", "build-0.o", "" }, { 80, "unlink", "build-0.o", "" }, { 1, "write", "threat-script-17", "" },
	{ 1, "write", "system.conf", "" }, { 7, "unlink", "threat-exec-17", "" }, { 7, "unlink", "threat-mark-17", "" },
	{ 1, "unlink", "threat-short-17", "" }, { 1, "write", "threat-write-17", "" }, { 1, "mmap_write", "threat-mmap-17", "" }, { 1, "module_load", "", "" },
	{ 1, "rename", "threat-rename-17", "system.conf" }, { 1, "rename", "current.bin.new", "current.bin" },
	{ 1, "unlink", "agent-state-17", "" },
};

#define NPROGRAMS (sizeof(programs) / sizeof(programs[0]))
#define NFILES (sizeof(files) / sizeof(files[0]))
#define NEVENTS 341u /* of all of them; no multiple of STEP */
#define STEP 97u     /* by which each is put from the one before it, so that they are mixed */

static struct ff_event events[NEVENTS];
static struct ff_content content;

static void die(const char *why, const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", why, what);
	exit(2);
}

static void put(struct ff_event *e, unsigned int field, const char *text)
{
	e->inputs[field].data = text;
	e->inputs[field].len = strlen(text);
}

static void sense_program(struct ff_event *e, const char *dir, const char *name)
{
	static const char *const usual[FF_INPUTS] = {
		"", "", "", "9184", "100755", "0", "0", "2063", "64768", "\177ELF\2\1\1", "1291", "1", "guest", "guest",
		"0", "0", "0", "0", "1", "fleet-kernel-17",
	};
	size_t size = strlen(dir) + 1 + strlen(name) + 1;
	char *path = malloc(size);
	unsigned int i;

	if (!path)
		die("malloc", strerror(errno));
	snprintf(path, size, "%s/%s", dir, name);
	for (i = 0; i < FF_INPUTS; i++)
		put(e, i, usual[i]);
	put(e, FF_IMAGE_PATH, path);
	put(e, FF_IMAGE_NAME, path + strlen(dir) + 1);
	put(e, FF_IMAGE_DIR, dir);
	e->template_id = FF_PROCESS;
	e->ninputs = FF_INPUTS;
}

static void sense_file(struct ff_event *e, const char *operation, const char *name, const char *new_name)
{
	unsigned int i;

	for (i = 0; i < FF_INPUTS; i++)
		put(e, i, "");
	put(e, FF_OPERATION, operation);
	put(e, FF_NAME, name);
	put(e, FF_NEW_NAME, new_name);
	put(e, FF_FILE_PID, "1291");
	put(e, FF_FILE_PROCESS_NAME, "load");
	put(e, FF_FILE_UID, "0");
	e->template_id = FF_FILE;
	e->ninputs = FF_FILE_INPUTS;
}

/* The place of the next event. */
static struct ff_event *next_event(void)
{
	static u64 sequence;
	struct ff_event *e = &events[sequence * STEP % NEVENTS];

	e->sequence = ++sequence;
	e->when_ns = 4300000000u + sequence;
	return e;
}

static void sense(void)
{
	unsigned int times;
	size_t i;

	for (i = 0; i < NPROGRAMS; i++)
		for (times = programs[i].times; times > 0; times--)
			sense_program(next_event(), programs[i].dir, programs[i].name);
	for (i = 0; i < NFILES; i++)
		for (times = files[i].times; times > 0; times--)
			sense_file(next_event(), files[i].operation, files[i].name, files[i].new_name);
}

/* Reads a file, of as much as there is room for. Returns its size. */
static size_t read_file(const char *path, u8 *to, size_t room)
{
	FILE *from = fopen(path, "rb");
	size_t size;

	if (!from)
		die(path, strerror(errno));
	size = fread(to, 1, room, from);
	fclose(from);
	return size;
}

static void load(const char *path, const char *key_path)
{
	static u8 file[FF_MAX_FILE + 1], key[FF_KEY_SIZE]; /* one byte more shows that a file is too long */
	enum ff_load_result result;

	if (read_file(key_path, key, sizeof(key)) != sizeof(key))
		die(key_path, "a key has 32 bytes");
	result = ff_load(&content, file, read_file(path, file, sizeof(file)), key, 0);
	if (result != FF_OK)
		die(path, ff_refusal(result));
}

static int same(const struct ff_verdict *a, const struct ff_verdict *b)
{
	u32 i;

	if (a->block != b->block || a->inspect != b->inspect || a->nmatches != b->nmatches)
		return 0;
	for (i = 0; i < a->nmatches && i < FF_MAX_MATCHES; i++) {
		if (a->matches[i].id != b->matches[i].id || a->matches[i].action != b->matches[i].action)
			return 0;
	}
	return 1;
}

/* Returns whether all verdicts are the same; says which is not. */
static int compare(void)
{
	struct ff_verdict interpreted, written;
	size_t i;

	for (i = 0; i < NEVENTS; i++) {
		ff_evaluate(&content, &events[i], &interpreted);
		evaluate_by_hand(&events[i], &written);
		if (!same(&interpreted, &written)) {
			fprintf(stderr, "bench: the verdicts on event %zu differ\n", i);
			return 0;
		}
	}
	return 1;
}

static u64 cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct ff_verdict v;
	u64 rounds, round, begin;
	size_t i;

	if (argc != 5)
		die("usage", "bench interpreter|byhand|compare CONTENT KEY ROUNDS");
	load(argv[2], argv[3]);
	sense();
	rounds = strtoull(argv[4], NULL, 10);
	begin = cpu_time();
	if (!strcmp(argv[1], "interpreter")) {
		for (round = 0; round < rounds; round++)
			for (i = 0; i < NEVENTS; i++)
				ff_evaluate(&content, &events[i], &v);
	} else if (!strcmp(argv[1], "byhand")) {
		for (round = 0; round < rounds; round++)
			for (i = 0; i < NEVENTS; i++)
				evaluate_by_hand(&events[i], &v);
	} else if (!strcmp(argv[1], "compare")) {
		for (round = 0; round < rounds; round++)
			if (!compare())
				return 1;
	} else {
		die("unknown way to evaluate", argv[1]);
	}
	printf("%llu %llu\n", (unsigned long long)(rounds * NEVENTS), (unsigned long long)(cpu_time() - begin));
	return 0;
}
