// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The sensor's 20 inputs for one execution, and 6 for something done to a file. In the kernel
 * (agents/sensor) a sensor gives the same text for the same event, with these differences that the place makes.
 *
 * Of executions this agent
 * - sees only the mounts that it watches, and the kernel agent all;
 * - is asked when the file is opened, so it also sees an execution that the kernel then refuses for its own reasons, and
 *   the program interpreter (ld.so) of a dynamically linked program;
 * - finds nothing in /proc of a process that is killed meanwhile: those inputs are then empty or 0;
 * - gives paths as seen from its own root directory, and the kernel agent from that of the process.
 * Of files it
 * - is told when it has happened, and can refuse nothing; whoever did it may have ended, and its name and user are then empty;
 * - is told of renames, deletions and writes of files that have a name, not of folders; of several writes to a file that wait to be
 *   told of, once;
 * - is not told of writes through a mapping, nor of a kernel module that is loaded, and so never gives the operations mmap_write and
 *   module_load: fanotify sees neither. The module's program is an execution; init_module(2) from memory is nothing to it;
 * - loses what happens while more events wait than its queue holds.
 * agents/safe sees and misses the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "agent.h"

#define STATUS_MAX 4096 /* bytes of /proc/PID/status that hold everything we ask for */
#define COMM_MAX 16     /* bytes of a process's name, its terminator included */

/* Formats one input; an input that no longer fits is cut. */
static void __attribute__((format(printf, 3, 4))) put(struct agent_sensing *s, unsigned int field, const char *format, ...)
{
	size_t room = sizeof(s->text) - s->used;
	char *at = s->text + s->used;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(at, room, format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	if ((size_t)len >= room)
		len = room - 1;
	s->event.inputs[field].data = at;
	s->event.inputs[field].len = len;
	s->used += len;
}

static void put_slice(struct agent_sensing *s, unsigned int field, const char *data, size_t len)
{
	s->event.inputs[field].data = data;
	s->event.inputs[field].len = len;
}

/* Reads a small file of /proc whole, as far as it fits, and terminates it; empty when it cannot be read. */
static void __attribute__((format(printf, 3, 4))) read_proc(char *to, size_t capacity, const char *format, ...)
{
	char path[64];
	va_list args;
	ssize_t n;
	int fd;

	to[0] = '\0';
	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, to, capacity - 1); /* one read: /proc gives a consistent text per read */
	close(fd);
	to[n > 0 ? n : 0] = '\0';
}

static void put_comm(struct agent_sensing *s, unsigned int field, pid_t pid)
{
	char comm[COMM_MAX + 1];
	size_t len;

	read_proc(comm, sizeof(comm), "/proc/%d/comm", pid);
	len = strlen(comm);
	if (len > 0 && comm[len - 1] == '\n')
		len--;
	put(s, field, "%.*s", (int)len, comm);
}

/* The path; empty when it is too long or the file has none. */
static void sense_path(struct agent_sensing *s, int image)
{
	const char *slash;
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", image);
	len = readlink(link, s->path, sizeof(s->path));
	if (len < 0 || (size_t)len >= sizeof(s->path))
		len = 0;
	s->path[len] = '\0';
	put_slice(s, FF_IMAGE_PATH, s->path, len);
	slash = strrchr(s->path, '/');
	if (!slash) {
		put_slice(s, FF_IMAGE_NAME, s->path, len);
		put_slice(s, FF_IMAGE_DIR, s->path, 0);
		return;
	}
	put_slice(s, FF_IMAGE_NAME, slash + 1, strlen(slash + 1));
	put_slice(s, FF_IMAGE_DIR, s->path, slash == s->path ? 1 : slash - s->path); /* "/" of "/init" */
}

static void sense_image(struct agent_sensing *s, int image)
{
	struct stat st;
	ssize_t n;

	if (fstat(image, &st) < 0)
		memset(&st, 0, sizeof(st));
	put(s, FF_IMAGE_SIZE, "%lld", (long long)st.st_size);
	put(s, FF_IMAGE_MODE, "%o", st.st_mode);
	put(s, FF_IMAGE_UID, "%u", st.st_uid);
	put(s, FF_IMAGE_GID, "%u", st.st_gid);
	put(s, FF_IMAGE_INODE, "%llu", (unsigned long long)st.st_ino);
	put(s, FF_IMAGE_DEVICE, "%llu", (unsigned long long)st.st_dev);
	n = pread(image, s->head, sizeof(s->head), 0);
	put_slice(s, FF_IMAGE_HEAD, s->head, n > 0 ? n : 0);
}

/* The value after "name:" in the text of /proc/PID/status. */
static const char *status_value(const char *status, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = status; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return line + len + 1;
	}
	return "";
}

static void put_ids(struct agent_sensing *s, const char *value, enum ff_field real, enum ff_field effective)
{
	unsigned int r, e;

	if (sscanf(value, "%u %u", &r, &e) != 2) {
		put(s, real, "%s", "");
		put(s, effective, "%s", "");
		return;
	}
	put(s, real, "%u", r);
	put(s, effective, "%u", e);
}

static void sense_process(struct agent_sensing *s, pid_t pid)
{
	char status[STATUS_MAX];
	const char *after;
	int ppid = 0, session = 0;

	read_proc(status, sizeof(status), "/proc/%d/status", pid);
	sscanf(status_value(status, "PPid"), "%d", &ppid);
	put(s, FF_PID, "%d", pid);
	put_comm(s, FF_PROCESS_NAME, pid);
	put(s, FF_PPID, "%d", ppid);
	if (ppid)
		put_comm(s, FF_PARENT_NAME, ppid);
	else
		put(s, FF_PARENT_NAME, "%s", "");
	put_ids(s, status_value(status, "Uid"), FF_UID, FF_EUID);
	put_ids(s, status_value(status, "Gid"), FF_GID, FF_EGID);

	/* "pid (comm) state ppid pgrp session …": comm may hold anything, so count from its last parenthesis. */
	read_proc(status, sizeof(status), "/proc/%d/stat", pid);
	after = strrchr(status, ')');
	if (after)
		sscanf(after, ") %*c %*d %*d %d", &session);
	put(s, FF_SESSION, "%d", session);
}

static void sense_host(struct agent_sensing *s)
{
	struct utsname names;

	if (uname(&names) < 0)
		names.nodename[0] = '\0';
	put(s, FF_HOST_NAME, "%s", names.nodename);
}

static u64 monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void begin(struct agent_sensing *s, u16 template_id, u32 ninputs, pid_t pid)
{
	unsigned int i;

	s->used = 0;
	for (i = 0; i < FF_INPUTS; i++)
		put_slice(s, i, "", 0);
	s->event.template_id = template_id;
	s->event.ninputs = ninputs;
	s->event.pid = pid;
	s->event.when_ns = monotonic_ns();
	s->event.sequence++;
}

void agent_sense(struct agent_sensing *s, int image, pid_t pid)
{
	begin(s, FF_PROCESS, FF_INPUTS, pid);
	sense_path(s, image);
	sense_image(s, image);
	sense_process(s, pid);
	sense_host(s);
}

void agent_sense_file(struct agent_sensing *s, const char *operation, const char *name, const char *new_name, pid_t pid)
{
	char status[STATUS_MAX];
	unsigned int uid;

	begin(s, FF_FILE, FF_FILE_INPUTS, pid);
	put_slice(s, FF_OPERATION, operation, strlen(operation));
	put_slice(s, FF_NAME, name, strlen(name));
	put_slice(s, FF_NEW_NAME, new_name, strlen(new_name));
	put(s, FF_FILE_PID, "%d", pid);
	put_comm(s, FF_FILE_PROCESS_NAME, pid);
	read_proc(status, sizeof(status), "/proc/%d/status", pid);
	if (sscanf(status_value(status, "Uid"), "%u", &uid) == 1)
		put(s, FF_FILE_UID, "%u", uid);
}
