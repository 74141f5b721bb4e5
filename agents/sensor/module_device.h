/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The device over which an agent's module speaks to one process: a file of root's in /dev, a stream for one reader at a time. */
#ifndef FLEETFALL_MODULE_DEVICE_H
#define FLEETFALL_MODULE_DEVICE_H

#include <linux/fs.h>
#include <linux/poll.h>

struct module_device {
	const char *name;   /* in /dev */
	bool (*take)(void); /* makes current the reader; false while there is another */
	void (*leave)(void);
	ssize_t (*read)(struct file *file, char __user *to, size_t size, loff_t *pos);
	ssize_t (*write)(struct file *file, const char __user *from, size_t size, loff_t *pos);
	__poll_t (*poll)(struct file *file, poll_table *table);
};

/* A module has one device, which stays as it is. Returns 0 or a negative error. Sleeps. */
int module_device_register(const struct module_device *d);
void module_device_unregister(void);

#endif
