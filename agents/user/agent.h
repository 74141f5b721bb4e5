/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The parts of the user-mode agent. */
#ifndef FLEETFALL_AGENT_H
#define FLEETFALL_AGENT_H

#include <linux/limits.h>
#include <sys/types.h>
#include "interpreter.h"

#define AGENT_LINE 512 /* bytes of a line to or from the guest program, its newline included */
#define IMAGE_HEAD 64  /* bytes of the file that the sensor supplies */

/* sensor.c: turns what fanotify tells into the interpreter's inputs. */

/* One event with the memory that its inputs point into. */
struct agent_sensing {
	struct ff_event event;
	char path[PATH_MAX];
	char head[IMAGE_HEAD];
	char text[512]; /* numbers and names, one after the other */
	size_t used;    /* of text */
};

/*
 * Each fills s in for one event, of an execution of the file open as image, or of something that the process pid did to a
 * file. The inputs are valid until s is used again, and as long as what is given. s begins zeroed: it counts events.
 */
void agent_sense(struct agent_sensing *s, int image, pid_t pid);
void agent_sense_file(struct agent_sensing *s, const char *operation, const char *name, const char *new_name, pid_t pid);

/* files.c: what is done to files, of which fanotify tells when it has happened. */

/* Returns a descriptor that becomes readable, or -1 after saying why not. What cannot be watched is said, and left out. */
int agent_files_watch(char **mounts);
/* Reports what the content finds in the events that wait, as many as one read gives. Returns 0, or a negative error number. */
int agent_files_read(int group, struct agent_sensing *s);

/* inspect.c: has the agent's inspector look at an image. Returns whether it may be executed; it may if nobody can look. */
int agent_inspect(const char *path);

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
