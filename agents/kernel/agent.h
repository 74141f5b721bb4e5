/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The parts of the kernel agent, in the order in which a program's execution passes them. */
#ifndef FLEETFALL_AGENT_H
#define FLEETFALL_AGENT_H

#include <linux/types.h>
#include "interpreter.h"

#define AGENT_LINE 512 /* bytes of a line to or from the guest program, its newline included */

/* agent_probe.c: hooks the check that the kernel makes before each execution; agents/sensor makes the event of it. */
int agent_probe_register(void);

/* agent_content.c: holds the loaded content. */

/* Reads and verifies the file, swaps it in, and says so to the guest; the old content stays if it is refused. Sleeps. */
void agent_content_load(void);
u64 agent_content_version(void); /* 0 for none */
void agent_content_free(void);
/* Evaluates the event with the loaded content; without content nothing matches. Does not sleep. */
void agent_content_evaluate(const struct ff_event *e, struct ff_verdict *v);

/* agent_inspect.c: starts the inspector on an image. Does not sleep, and does not wait for what it comes to. */
void agent_inspect(const struct ff_value *image);

/* agent_device.c: lines to and from the guest program, over /dev/fleetfall-agent. */
int agent_device_register(void); /* module_device_unregister takes it away again */
/* Queues a line (without newline). Does not sleep. Detections give way to the agent's answers when there is no room. */
__printf(1, 2) void agent_say(const char *format, ...);
/* Every match that the verdict lists. Of files the agent only says what it saw: nothing done to one is refused. */
void agent_say_detections(const struct ff_event *e, const struct ff_verdict *v);

#endif
