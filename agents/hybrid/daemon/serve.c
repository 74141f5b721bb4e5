// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include "device.h"
#include "hybrid.h"

/* Makes an event of the record, whose memory its inputs point into. Returns 0, or -1 if there is more to it than its length. */
static int unpack(const struct sensor_record *r, size_t len, struct ff_event *e)
{
	const char *at = r->inputs, *end = (const char *)r + len;
	unsigned int i;

	if (len < sizeof(*r) || r->size != len || r->ninputs > FF_INPUTS)
		return -1;
	memset(e, 0, sizeof(*e));
	for (i = 0; i < r->ninputs; i++) {
		if (r->lengths[i] > end - at)
			return -1;
		e->inputs[i].data = at;
		e->inputs[i].len = r->lengths[i];
		at += r->lengths[i];
	}
	e->template_id = r->template_id;
	e->ninputs = r->ninputs;
	e->pid = r->pid;
	e->when_ns = r->when_ns;
	e->sequence = r->id;
	return 0;
}

/* Reports what the content found. Where a rule says block the inspector was not asked, and no rule that says inspect refuses. */
static void report(const struct ff_event *e, const struct ff_verdict *v, int refused)
{
	u32 i;

	for (i = 0; i < v->nmatches && i < FF_MAX_MATCHES; i++) {
		const struct ff_match *m = &v->matches[i];

		int by_it = refused && (m->action == FF_BLOCK || (m->action == FF_INSPECT && !v->block));

		agent_say_detection(m->id, by_it, e->pid, ff_what(e));
	}
}

/*
 * Answers one event; nothing can be refused to who does not wait. The report comes after the answer, since only then it is known
 * whether somebody still waited for it: who was killed, or has waited long enough, is not there to be refused anything (ENOENT).
 */
static int answer_event(int sensor)
{
	static union {
		struct sensor_record record;
		char bytes[SENSOR_MAX_RECORD];
	} in;
	ssize_t len = read(sensor, in.bytes, sizeof(in.bytes));
	struct ff_verdict found;
	struct ff_event event;
	int refused = 0;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (unpack(&in.record, len, &event) < 0)
		return -EPROTO;
	agent_content_evaluate(&event, &found);
	if (in.record.waits) {
		struct sensor_verdict answer = { .id = in.record.id };

		answer.refuse = found.block || (found.inspect && !hybrid_inspect(&event.inputs[FF_IMAGE_PATH], sensor));
		if (write(sensor, &answer, sizeof(answer)) >= 0)
			refused = answer.refuse;
		else if (errno != ENOENT)
			return -errno;
	}
	report(&event, &found, refused);
	return 0;
}

int hybrid_serve(int sensor, const char *content)
{
	struct pollfd fds[] = {
		{ .fd = sensor, .events = POLLIN },
		{ .fd = AGENT_SOCKET, .events = POLLIN },
	};
	char line[AGENT_LINE];
	int err;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("agent: poll");
			return EXIT_FAILURE;
		}
		if (fds[0].revents) {
			err = answer_event(sensor);
			if (err) {
				fprintf(stderr, "agent: sensor: %s\n", strerror(-err));
				return EXIT_FAILURE;
			}
		}
		if (fds[1].revents) {
			if (!agent_hear(line))
				return EXIT_SUCCESS; /* nobody left to report to */
			if (!strcmp(line, "load"))
				agent_content_load(content);
		}
	}
}
