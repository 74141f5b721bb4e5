/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The parts of the user-mode agent. */
#ifndef FLEETFALL_AGENT_H
#define FLEETFALL_AGENT_H

#include <linux/limits.h>
#include <sys/types.h>
#include "daemon.h"

#define IMAGE_HEAD 64  /* bytes of the file that the sensor supplies */

/* sensor.c: turns an open that is about to execute into the interpreter's inputs. */

/* One event with the memory that its inputs point into. */
struct agent_sensing {
	struct ff_event event;
	char path[PATH_MAX];
	char head[IMAGE_HEAD];
	char text[512]; /* numbers and names, one after the other */
	size_t used;    /* of text */
};

/* Fills s in for the file open as image and the process pid; the inputs are valid until s is used again. */
void agent_sense(struct agent_sensing *s, int image, pid_t pid, u64 sequence);

#endif
