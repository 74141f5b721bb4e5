// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * /dev/fleetfall-agent: lines of text for one reader. A read gives one line with its newline, and waits for it unless
 * the file is non-blocking. A write is the line "load".
 */
#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "agent.h"
#include "module_device.h"

#define QUEUE_BYTES (32 << 10)
#define RESERVED (4 * AGENT_LINE) /* of them, for what is not a detection */

static STRUCT_KFIFO_REC_2(QUEUE_BYTES) lines;
static DEFINE_SPINLOCK(lines_lock);
static DECLARE_WAIT_QUEUE_HEAD(lines_wait);
static unsigned long in_use; /* bit 0: the device is open */

static unsigned int lost;
module_param(lost, uint, 0444);
MODULE_PARM_DESC(lost, "lines dropped because nobody read them");

static void queue_line(char *line, size_t len, unsigned int keep_free)
{
	unsigned long flags;

	line[len++] = '\n';
	spin_lock_irqsave(&lines_lock, flags);
	if (kfifo_avail(&lines) < len + keep_free || !kfifo_in(&lines, line, len))
		lost++;
	spin_unlock_irqrestore(&lines_lock, flags);
	wake_up_interruptible(&lines_wait);
}

void agent_say(const char *format, ...)
{
	char line[AGENT_LINE];
	va_list args;
	int len;

	va_start(args, format);
	len = vscnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	queue_line(line, len, 0);
}

static void say_detection(const struct ff_match *m, const struct ff_event *e)
{
	bool blocked = m->action == FF_BLOCK && e->template_id == FF_PROCESS;
	char line[AGENT_LINE];
	size_t len = scnprintf(line, sizeof(line), "detect %u %s %u ", m->id, blocked ? "block" : "detect", e->pid);

	queue_line(line, ff_append(line, len, sizeof(line), ff_what(e)), RESERVED);
}

void agent_say_detections(const struct ff_event *e, const struct ff_verdict *v)
{
	u32 i;

	for (i = 0; i < min(v->nmatches, FF_MAX_MATCHES); i++)
		say_detection(&v->matches[i], e);
}

static bool take(void)
{
	return !test_and_set_bit(0, &in_use);
}

static void leave(void)
{
	clear_bit(0, &in_use);
}

static ssize_t device_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	char line[AGENT_LINE];
	unsigned int len;
	int err;

	if (size < sizeof(line))
		return -EINVAL; /* a line would not fit */
	for (;;) {
		len = kfifo_out_spinlocked(&lines, line, sizeof(line), &lines_lock);
		if (len)
			break;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(lines_wait, !kfifo_is_empty(&lines));
		if (err)
			return err;
	}
	return copy_to_user(to, line, len) ? -EFAULT : len;
}

static ssize_t device_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char line[8] = "";

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, size))
		return -EFAULT;
	if (strcmp(strim(line), "load"))
		return -EINVAL;
	agent_content_load();
	return size;
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &lines_wait, table);
	return EPOLLOUT | EPOLLWRNORM | (kfifo_is_empty(&lines) ? 0 : EPOLLIN | EPOLLRDNORM);
}

static const struct module_device device = {
	.name = "fleetfall-agent",
	.take = take,
	.leave = leave,
	.read = device_read,
	.write = device_write,
	.poll = device_poll,
};

int agent_device_register(void)
{
	INIT_KFIFO(lines);
	return module_device_register(&device);
}
