// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* /dev/fleetfall-sensor, as device.h has it. */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "hybrid.h"

static ssize_t device_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct queued *q;
	ssize_t result;

	if (size < SENSOR_MAX_RECORD)
		return -EINVAL;
	q = queue_take(!(file->f_flags & O_NONBLOCK));
	if (IS_ERR(q))
		return PTR_ERR(q);
	result = q->record.size;
	if (copy_to_user(to, &q->record, q->record.size))
		result = -EFAULT;
	kfree(q);
	return result;
}

static ssize_t device_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct sensor_verdict v;
	int err;

	if (size != sizeof(v))
		return -EINVAL;
	if (copy_from_user(&v, from, size))
		return -EFAULT;
	err = queue_answer(v.id, v.refuse);
	return err ? err : size;
}

const struct module_device sensor_device = {
	.name = SENSOR_DEVICE,
	.take = queue_open,
	.leave = queue_close,
	.read = device_read,
	.write = device_write,
	.poll = queue_poll,
};
