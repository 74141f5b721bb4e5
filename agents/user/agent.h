/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The parts of the user-mode agent. */
#ifndef FLEETFALL_AGENT_H
#define FLEETFALL_AGENT_H

#include <linux/limits.h>
#include <sys/types.h>
#include "daemon.h"

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

#endif
