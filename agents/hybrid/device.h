/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the two halves of the hybrid agent say to each other: the module's /dev/fleetfall-sensor gives the daemon one event
 * a read, and takes one verdict a write. It has one reader at a time, and no second agent to agree with: both halves come
 * with the same image.
 */
#ifndef FLEETFALL_DEVICE_H
#define FLEETFALL_DEVICE_H

#include <linux/types.h>
#include "interpreter.h"

#define SENSOR_DEVICE "fleetfall-sensor"
#define SENSOR_MAX_RECORD (16u << 10) /* bytes: a read must have room for so many */

struct sensor_record {
	__u64 id;       /* counts events, from 1 */
	__u64 when_ns;  /* monotonic clock of the machine */
	__u32 size;     /* bytes, with the inputs */
	__u32 pid;      /* of the process that does it */
	__u16 template_id;
	__u16 ninputs;
	__u16 waits;    /* 1 if the process waits for a verdict, 0 if this is only for information */
	__u16 unused;
	__u16 lengths[FF_INPUTS]; /* bytes of each input */
	char inputs[]; /* one after the other */
};

struct sensor_verdict {
	__u64 id;      /* of the event */
	__u32 refuse;  /* 1 for no, 0 to let it go on */
	__u32 unused;
};

#endif
