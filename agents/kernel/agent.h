/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The parts of the kernel agent, in the order in which a program's execution passes them. */
#ifndef FLEETFALL_AGENT_H
#define FLEETFALL_AGENT_H

#include <linux/binfmts.h>
#include <linux/limits.h>
#include "interpreter.h"

#define AGENT_LINE 512 /* bytes of a line to or from the guest program, its newline included */

/* agent_probe.c: hooks the check that the kernel makes before each execution. */
int agent_probe_register(void);
void agent_probe_unregister(void);

/* agent_sensor.c: turns that moment into the interpreter's inputs. */

/* One event with the memory that its inputs point into. */
struct agent_sensing {
	struct ff_event event;
	char path[PATH_MAX];
	char text[512]; /* numbers and names, one after the other */
	size_t used;    /* of text */
};

/* Fills s in. Does not sleep; the inputs are valid until s is used again. */
void agent_sense(struct agent_sensing *s, struct linux_binprm *bprm, u64 sequence);

/* agent_content.c: holds the loaded content. */

/* Reads and verifies the file, swaps it in, and says so to the guest; the old content stays if it is refused. Sleeps. */
void agent_content_load(void);
u64 agent_content_version(void); /* 0 for none */
void agent_content_free(void);
/* Evaluates the event with the loaded content; without content nothing matches. Does not sleep. */
void agent_content_evaluate(const struct ff_event *e, struct ff_verdict *v);

/* agent_device.c: lines to and from the guest program, over /dev/fleetfall-agent. */
int agent_device_register(void);
void agent_device_unregister(void);
/* Queues a line (without newline). Does not sleep. Detections give way to the agent's answers when there is no room. */
__printf(1, 2) void agent_say(const char *format, ...);
void agent_say_detection(const struct ff_match *m, u32 pid, const struct ff_value *path);

#endif
