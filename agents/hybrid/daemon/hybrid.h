/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The parts of the hybrid agent's daemon. */
#ifndef FLEETFALL_HYBRID_H
#define FLEETFALL_HYBRID_H

#include "daemon.h"

/*
 * serve.c: answers the module's events on the descriptor sensor, loads content from the path when it is told to, and returns the
 * daemon's exit status when either of those it talks to is gone.
 */
int hybrid_serve(int sensor, const char *content);

/*
 * inspect.c: has the inspector look at the image, and waits for it. Tells whether the execution may go on. The child lets go
 * of sensor and of the guest program's socket before it becomes the inspector: so only the daemon holds them, and its end is the
 * end of the agent.
 */
int hybrid_inspect(const struct ff_value *image, int sensor);

#endif
