// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * agentk: the security agent as a kernel module. It is loaded at boot, before the machine has a network, with the
 * newest content that is on the disk.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "agent.h"

static int __init agent_init(void)
{
	int err = agent_device_register();

	if (err)
		return err;
	agent_content_load();
	agent_say("ready %llu", agent_content_version());
	err = agent_probe_register();
	if (err) {
		agent_device_unregister();
		agent_content_free();
		return err;
	}
	pr_info("ready with content %llu\n", agent_content_version());
	return 0;
}

static void __exit agent_exit(void)
{
	agent_probe_unregister(); /* waits for evaluations under way */
	agent_device_unregister();
	agent_content_free();
}

module_init(agent_init);
module_exit(agent_exit);

MODULE_DESCRIPTION("fleetfall security agent");
MODULE_LICENSE("GPL");
