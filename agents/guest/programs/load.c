// SPDX-License-Identifier: Apache-2.0
/*
 * One unit of a kind of workload, named by the argument, that asks much of the kernel:
 *
 *	open   opens and closes files, as programs do that look for something
 *	read   reads a large file again and again from the kernel's cache
 *	build  executes programs, reads and writes, as a build of software does
 *
 * It ends with 0 when all of it has worked.
 */
#include "start.h"

#define DATA "/run/load.data" /* made by the guest program, 256 KiB */

static char buffer[64 << 10];

static const char *const inputs[] = {
	"/opt/fleetfall/work", "/opt/fleetfall/service", "/etc/fleetfall/modules.port", "/etc/fleetfall/modules.mailbox",
};
#define INPUTS (long)(sizeof(inputs) / sizeof(inputs[0]))

static int load_open(void)
{
	int i;

	for (i = 0; i < 200; i++) {
		long file = open_file(inputs[i % INPUTS], READ_ONLY);

		if (file < 0 || close_file(file) < 0)
			return 1;
	}
	return 0;
}

/* Reads a file to its end. Returns its size, or an error. */
static long read_all(const char *path)
{
	long file = open_file(path, READ_ONLY), size = 0, n;

	if (file < 0)
		return file;
	while ((n = read_file(file, buffer, sizeof(buffer))) > 0)
		size += n;
	close_file(file);
	return n < 0 ? n : size;
}

static int load_read(void)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (read_all(DATA) != 256 << 10)
			return 1;
	}
	return 0;
}

/* Executes a program and waits for it. Returns its wait status, or an error. */
static __attribute__((noinline)) long execute(const char *path)
{
	const char *const arguments[] = { path, 0 };
	const char *const environment[] = { 0 };
	int status = 0;
	long child = ask(SYS_VFORK, 0, 0, 0, 0);

	if (child == 0) { /* on our stack, until it executes the program or ends: it must not return from here */
		ask(SYS_EXECVE, (long)path, (long)arguments, (long)environment, 0);
		ask(SYS_EXIT_GROUP, 127, 0, 0, 0);
	}
	if (child > 0)
		child = ask(SYS_WAIT4, child, (long)&status, 0, 0);
	return child < 0 ? child : status;
}

/* What a compiler does for one source: reads some files, computes, writes one. */
static int build_one(const char *output)
{
	long file, i;

	for (i = 0; i < INPUTS; i++) {
		if (read_all(inputs[i]) < 0)
			return 1;
	}
	if (execute("/opt/fleetfall/work") != 0)
		return 1;
	file = open_file(output, WRITE_ONLY | CREATE | TRUNCATE);
	if (file < 0 || write_file(file, buffer, 4096) != 4096)
		return 1;
	return close_file(file) < 0;
}

static int load_build(void)
{
	static char output[] = "/run/build-0.o";
	const long digit = sizeof("/run/build-") - 1;
	int failed = 0;

	for (output[digit] = '0'; output[digit] < '8'; output[digit]++)
		failed |= build_one(output);
	for (output[digit] = '0'; output[digit] < '8'; output[digit]++)
		ask(SYS_UNLINK, (long)output, 0, 0, 0);
	return failed;
}

int program(char **arguments)
{
	const char *kind = arguments[1];

	switch (kind ? kind[0] : 0) { /* they differ in their first letter */
	case 'o': return load_open();
	case 'r': return load_read();
	case 'b': return load_build();
	}
	return 2;
}
