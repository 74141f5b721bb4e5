// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The agent as a user-mode daemon: fanotify asks it about each file that is about to be executed, on the mounts that
 * it watches, and tells it of what was done to files there. When it ends, whatever the reason, its fanotify group closes and
 * every execution that waits for its answer goes on: it fails open. README.md says what it does not do well.
 *
 *	user CONTENT-FILE MOUNT…
 *
 * Build, from the C files of this folder, of agents/daemon and of agents/interpreter, with the image's vendor_key.h in KEY:
 *
 *	gcc -O2 -static -I KEY -I agents/user -I agents/daemon -I agents/interpreter -o user SOURCES
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <unistd.h>
#include "agent.h"

static struct agent_sensing sensing;

/* Tells whether the execution may go on, and reports what the content found. */
static int evaluate(int image, pid_t pid)
{
	struct ff_verdict verdict;
	int rejected = 0;
	u32 i;

	agent_sense(&sensing, image, pid);
	agent_content_evaluate(&sensing.event, &verdict);
	if (verdict.inspect && !verdict.block)
		rejected = !agent_inspect(sensing.path);
	for (i = 0; i < verdict.nmatches && i < FF_MAX_MATCHES; i++) {
		const struct ff_match *m = &verdict.matches[i];

		agent_say_detection(m->id, m->action == FF_BLOCK || (m->action == FF_INSPECT && rejected), pid,
			&sensing.event.inputs[FF_IMAGE_PATH]);
	}
	return !verdict.block && !rejected;
}

/* Answers the events that wait. The report is sent before the answer, so that whoever sees the answer finds it sent. */
static int answer_events(int fanotify)
{
	_Alignas(struct fanotify_event_metadata) char events[4096];
	struct fanotify_event_metadata *e = (void *)events;
	ssize_t len = read(fanotify, events, sizeof(events));

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (; FAN_EVENT_OK(e, len); e = FAN_EVENT_NEXT(e, len)) {
		struct fanotify_response answer = { .fd = e->fd, .response = FAN_ALLOW };

		if (e->vers != FANOTIFY_METADATA_VERSION)
			return -EPROTO;
		if (e->fd < 0) /* the queue overflowed: nothing waits for this one */
			continue;
		if (e->mask & FAN_OPEN_EXEC_PERM) {
			/* What we open ourselves is let go: we would wait for our own answer. */
			if (e->pid != getpid() && !evaluate(e->fd, e->pid))
				answer.response = FAN_DENY;
			/* ENOENT: who waited was killed. */
			if (write(fanotify, &answer, sizeof(answer)) < 0 && errno != ENOENT)
				return -errno;
		}
		close(e->fd);
	}
	return 0;
}

/* Opens a fanotify group on the mounts. Returns its descriptor, or -1 after saying why not. */
static int watch(char **mounts)
{
	int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		perror("agent: fanotify_init");
		return -1;
	}
	for (; *mounts; mounts++) {
		if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_EXEC_PERM, AT_FDCWD, *mounts) < 0) {
			fprintf(stderr, "agent: watching %s: %s\n", *mounts, strerror(errno));
			close(fd);
			return -1;
		}
	}
	return fd;
}

/* Answers and reports until the guest program is gone. Who waits for an answer comes before what has happened already. */
static int serve(int asked, int told, const char *content)
{
	struct pollfd fds[] = {
		{ .fd = asked, .events = POLLIN },
		{ .fd = told, .events = POLLIN }, /* poll takes no notice of it if it is -1 */
		{ .fd = AGENT_SOCKET, .events = POLLIN },
	};
	char line[AGENT_LINE];
	int err = 0;

	for (;;) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("agent: poll");
			return EXIT_FAILURE;
		}
		if (fds[0].revents)
			err = answer_events(asked);
		else if (fds[1].revents)
			err = agent_files_read(told, &sensing);
		if (err) {
			fprintf(stderr, "agent: fanotify: %s\n", strerror(-err));
			return EXIT_FAILURE;
		}
		if (fds[2].revents) {
			if (!agent_hear(line))
				return EXIT_SUCCESS; /* nobody left to report to */
			if (!strcmp(line, "load"))
				agent_content_load(content);
		}
	}
}

int main(int argc, char **argv)
{
	int asked, told;

	if (argc < 3) {
		fprintf(stderr, "usage: user CONTENT-FILE MOUNT...\n");
		return 2;
	}
	fcntl(AGENT_SOCKET, F_SETFD, FD_CLOEXEC); /* it is not the inspector's */
	agent_content_load(argv[1]);
	/*
	 * The group that is told first: when a process ends, Linux closes the descriptor that was opened last before the others.
	 * An execution that waits for our answer holds the marks of both groups; so a group that is told, closed first, waits for that
	 * execution, and the group that is asked, whose end would let it go, waits for its turn: nothing of it ends any more.
	 */
	told = agent_files_watch(argv + 2);
	asked = watch(argv + 2);
	if (asked < 0)
		return EXIT_FAILURE;
	agent_say("ready %llu", (unsigned long long)agent_content_version());
	return serve(asked, told, argv[1]);
}
