// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * agentk: the security agent as a kernel module. It is loaded at boot, before the machine has a network, with the
 * newest content that is on the disk.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "agent.h"
#include "module_device.h"
#include "sensor.h"

static int __init agent_init(void)
{
	int err = agent_device_register();

	if (err)
		return err;
	agent_content_load();
	agent_say("ready %llu", agent_content_version());
	err = sensor_watch_files();
	if (err)
		goto no_files;
	err = agent_probe_register();
	if (err)
		goto no_executions;
	pr_info("ready with content %llu\n", agent_content_version());
	return 0;

no_executions:
	sensor_unwatch_files(); /* waits for evaluations under way */
no_files:
	module_device_unregister();
	agent_content_free();
	return err;
}

/* There is no exit: nobody is to unload the agent, and the end of an inspector may come back to it at any time. */
module_init(agent_init);

MODULE_DESCRIPTION("fleetfall security agent");
MODULE_LICENSE("GPL");
