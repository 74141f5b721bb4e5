// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * hybrid: what the hybrid agent has in the kernel. It sees and enforces; it decides nothing and reads no content: that is
 * the daemon's (agents/hybrid/daemon), and without a daemon every execution goes on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "hybrid.h"
#include "sensor.h"

static int __init hybrid_init(void)
{
	int err = module_device_register(&sensor_device);

	if (err)
		return err;
	err = sensor_watch_files();
	if (err)
		goto no_files;
	err = hook_install();
	if (err)
		goto no_executions;
	pr_info("ready\n");
	return 0;

no_executions:
	sensor_unwatch_files();
no_files:
	module_device_unregister();
	return err;
}

/* There is no exit: executions sleep in the module's code. */
module_init(hybrid_init);

MODULE_DESCRIPTION("fleetfall security agent's sensor");
MODULE_LICENSE("GPL");
