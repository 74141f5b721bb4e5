/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the agents' daemons in C have in common: it is compiled into each. */
#ifndef FLEETFALL_DAEMON_H
#define FLEETFALL_DAEMON_H

#include "interpreter.h"

#define AGENT_LINE 512 /* bytes of a line to or from the guest program, its newline included */

/* content.c: holds the loaded content. */

/* Reads and verifies the file at path, swaps it in, and says so to the guest; the old content stays if it is refused. */
void agent_content_load(const char *path);
u64 agent_content_version(void); /* 0 for none */
/* Evaluates the event with the loaded content; without content nothing matches. */
void agent_content_evaluate(const struct ff_event *e, struct ff_verdict *v);

/* lines.c: lines to and from the guest program, over the socket that it left open as descriptor 3. */
#define AGENT_SOCKET 3

/* Sends a line (without newline). Never waits: a line that the socket has no room for is dropped. */
void agent_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* what names what was detected; refused tells whether it was refused on account of this rule. */
void agent_say_detection(u32 rule, int refused, u32 pid, const struct ff_value *what);
/* Reads one line, without newline. Returns 0 when the guest program is gone. */
int agent_hear(char line[AGENT_LINE]);

#endif
