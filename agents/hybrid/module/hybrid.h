/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The parts of the hybrid agent's module, in the order in which a program's execution passes them. */
#ifndef FLEETFALL_HYBRID_H
#define FLEETFALL_HYBRID_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/poll.h>
#include "device.h"
#include "interpreter.h"
#include "module_device.h"

/* hook.c: puts a function of ours in the place of the check that the kernel makes before each execution. */
int hook_install(void);

/* queue.c: events on their way to the daemon, and executions that wait for its verdict. */

/* Whether current is to be asked about: there is a daemon, and it is not the one that executes. */
bool queue_wants_current(void);
/* Passes the event and waits for the verdict: 0 to let the execution go on, as without one, or -EACCES. Sleeps. */
int queue_ask(const struct ff_event *e);

struct queued {
	struct list_head list;
	struct sensor_record record; /* the last, for its inputs */
};

bool queue_open(void);  /* makes current the daemon; false if there is one */
void queue_close(void); /* without a daemon: every execution that waits goes on */
/* The next event, for the caller to kfree; or ERR_PTR(-EAGAIN), or the error of an interrupted wait. */
struct queued *queue_take(bool may_wait);
int queue_answer(u64 id, bool refuse); /* 0, or -ENOENT if nobody waits for it any more */
__poll_t queue_poll(struct file *file, poll_table *table);

/* device.c: /dev/fleetfall-sensor. */
extern const struct module_device sensor_device;

#endif
