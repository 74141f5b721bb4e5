// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "module_device.h"

static const struct module_device *ours;

static int device_open(struct inode *inode, struct file *file)
{
	return ours->take() ? stream_open(inode, file) : -EBUSY;
}

static int device_release(struct inode *inode, struct file *file)
{
	ours->leave();
	return 0;
}

static struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.llseek = no_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.fops = &operations,
	.mode = 0600,
};

int module_device_register(const struct module_device *d)
{
	ours = d;
	operations.read = d->read;
	operations.write = d->write;
	operations.poll = d->poll;
	device.name = d->name;
	return misc_register(&device);
}

void module_device_unregister(void)
{
	misc_deregister(&device);
}
