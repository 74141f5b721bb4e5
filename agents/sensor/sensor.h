/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The sensor of the agents that have a part in the kernel: it turns what processes do into the interpreter's events. It is
 * compiled into each of their modules.
 */
#ifndef FLEETFALL_SENSOR_H
#define FLEETFALL_SENSOR_H

#include <linux/binfmts.h>
#include <linux/limits.h>
#include "interpreter.h"

/* One event with the memory that its inputs point into. */
struct sensing {
	struct ff_event event;
	char path[PATH_MAX];
	char text[1024]; /* numbers and names, one after the other */
	size_t used;     /* of text */
};

/* sensor_event.c: what both kinds of events have in common. */

/* Begins an event of this template that current causes; its inputs are to be put in. */
void sensor_begin(struct sensing *s, u16 template_id, u32 ninputs);
/* Formats one input; an input that no longer fits is cut. */
__printf(3, 4) void sensor_put(struct sensing *s, unsigned int field, const char *format, ...);
/* An input that lies elsewhere, and stays there as long as s is used. */
void sensor_put_slice(struct sensing *s, unsigned int field, const char *data, size_t len);

/* sensor_execution.c: the 20 inputs of an execution. */

/* Fills s in. Does not sleep; the inputs are valid until s is used again or bprm ends. */
void sensor_execution(struct sensing *s, struct linux_binprm *bprm);

/* sensor_files.c: what is done to files. */

/* The module's own: it is given each event of the template FF_FILE, with preemption disabled, and may not keep it. */
void agent_file_event(const struct ff_event *e);

/* From here on files are watched, until the module is gone. Sleeps. Returns 0 or a negative error. */
int sensor_watch_files(void);
void sensor_unwatch_files(void);

#endif
