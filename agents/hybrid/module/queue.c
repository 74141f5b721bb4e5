// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Events wait in a list until the daemon takes them; executions wait, each on its own stack, until the daemon has answered,
 * is gone, or is late. A record belongs to the list and then to who took it, and outlives the execution that waits for it.
 * All of it fails open: whatever goes wrong, the execution goes on.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "hybrid.h"
#include "sensor.h"

#define MAX_QUEUED 256u /* events that the daemon has not taken yet */
#define RESERVED 128u   /* of them, for executions that wait: what is done to files comes in bursts, and would push them out */

struct waiter {
	struct list_head list;
	u64 id;
	struct completion over;
	bool answered, refused;
};

static DEFINE_SPINLOCK(lock); /* of all that follows; never taken in an interrupt */
static LIST_HEAD(queue);
static unsigned int nqueued;
static LIST_HEAD(waiters);
static pid_t daemon; /* 0 for none */

static DECLARE_WAIT_QUEUE_HEAD(readable);

static unsigned int deadline_ms = 2000;
module_param(deadline_ms, uint, 0644);
MODULE_PARM_DESC(deadline_ms, "how long an execution waits for a verdict");

static unsigned int unanswered;
module_param(unanswered, uint, 0444);
MODULE_PARM_DESC(unanswered, "executions that went on without a verdict");

static unsigned int dropped;
module_param(dropped, uint, 0444);
MODULE_PARM_DESC(dropped, "events that no daemon has read");

static struct queued *pack(const struct ff_event *e, bool waits, gfp_t gfp)
{
	size_t size = sizeof(struct sensor_record);
	struct queued *q;
	char *to;
	u32 i;

	for (i = 0; i < e->ninputs; i++)
		size += e->inputs[i].len;
	if (size > SENSOR_MAX_RECORD)
		return NULL;
	q = kzalloc(offsetof(struct queued, record) + size, gfp);
	if (!q)
		return NULL;
	q->record.id = e->sequence;
	q->record.when_ns = e->when_ns;
	q->record.size = size;
	q->record.pid = e->pid;
	q->record.template_id = e->template_id;
	q->record.ninputs = e->ninputs;
	q->record.waits = waits;
	to = q->record.inputs;
	for (i = 0; i < e->ninputs; i++) {
		q->record.lengths[i] = e->inputs[i].len;
		memcpy(to, e->inputs[i].data, e->inputs[i].len);
		to += e->inputs[i].len;
	}
	return q;
}

/* Queues the event, and its waiter if it has one. Tells whether it did; otherwise the event is dropped. */
static bool pass(const struct ff_event *e, struct waiter *w, gfp_t gfp)
{
	struct queued *q = READ_ONCE(daemon) ? pack(e, w, gfp) : NULL;
	unsigned int keep_free = w ? 0 : RESERVED;
	bool passed;

	spin_lock(&lock);
	passed = q && daemon && nqueued + keep_free < MAX_QUEUED;
	if (passed) {
		list_add_tail(&q->list, &queue);
		nqueued++;
		if (w)
			list_add_tail(&w->list, &waiters);
	} else {
		dropped++;
		unanswered += w != NULL;
	}
	spin_unlock(&lock);
	if (passed)
		wake_up_interruptible(&readable);
	else
		kfree(q);
	return passed;
}

bool queue_wants_current(void)
{
	bool wants;

	spin_lock(&lock);
	wants = daemon && daemon != task_tgid_nr(current);
	if (!daemon) {
		dropped++;
		unanswered++;
	}
	spin_unlock(&lock);
	return wants;
}

/* The execution goes on without a verdict: when the daemon takes its event at last, that is only for information. */
static void stop_waiting(u64 id)
{
	struct queued *q;

	list_for_each_entry(q, &queue, list) {
		if (q->record.id == id)
			q->record.waits = 0;
	}
}

int queue_ask(const struct ff_event *e)
{
	struct waiter w = { .id = e->sequence };

	init_completion(&w.over);
	if (!pass(e, &w, GFP_KERNEL))
		return 0;
	/* Killable, and no more: whoever waits here holds locks that a signal's handler may want. */
	wait_for_completion_killable_timeout(&w.over, msecs_to_jiffies(deadline_ms));
	spin_lock(&lock);
	list_del(&w.list);
	if (!w.answered) {
		unanswered++;
		stop_waiting(w.id);
	}
	spin_unlock(&lock);
	return w.refused ? -EACCES : 0;
}

void agent_file_event(const struct ff_event *e)
{
	pass(e, NULL, GFP_ATOMIC | __GFP_NOWARN);
}

bool queue_open(void)
{
	bool opened;

	spin_lock(&lock);
	opened = !daemon;
	if (opened)
		daemon = task_tgid_nr(current);
	spin_unlock(&lock);
	return opened;
}

void queue_close(void)
{
	struct queued *q, *next;
	struct waiter *w;
	LIST_HEAD(left);

	spin_lock(&lock);
	daemon = 0;
	dropped += nqueued;
	nqueued = 0;
	list_splice_init(&queue, &left);
	list_for_each_entry(w, &waiters, list)
		complete(&w->over);
	spin_unlock(&lock);
	list_for_each_entry_safe(q, next, &left, list)
		kfree(q);
}

struct queued *queue_take(bool may_wait)
{
	struct queued *q;
	int err;

	for (;;) {
		spin_lock(&lock);
		q = list_first_entry_or_null(&queue, struct queued, list);
		if (q) {
			list_del(&q->list);
			nqueued--;
		}
		spin_unlock(&lock);
		if (q)
			return q;
		if (!may_wait)
			return ERR_PTR(-EAGAIN);
		err = wait_event_interruptible(readable, !list_empty(&queue));
		if (err)
			return ERR_PTR(err);
	}
}

int queue_answer(u64 id, bool refuse)
{
	struct waiter *w;
	int err = -ENOENT;

	spin_lock(&lock);
	list_for_each_entry(w, &waiters, list) {
		if (w->id != id)
			continue;
		w->answered = true;
		w->refused = refuse;
		complete(&w->over);
		err = 0;
		break;
	}
	spin_unlock(&lock);
	return err;
}

__poll_t queue_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &readable, table);
	return EPOLLOUT | EPOLLWRNORM | (list_empty(&queue) ? 0 : EPOLLIN | EPOLLRDNORM);
}
