// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Content may ask for an inspection: a program that looks at the image, and whose exit status is to decide. The other agents
 * wait for it. This one evaluates where nothing may sleep, so it lets the execution go on, starts the inspector beside it, and
 * reports a detection: what the inspector comes to is known too late to matter, and nobody asks. Nor does anybody ask
 * whose execution the inspector's own is: if the content has that inspected too, there is another one to inspect, and so on.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/umh.h>
#include "agent.h"

#define INSPECTOR "/opt/fleetfall/inspect"

struct inspection {
	char *argv[3];
	char image[];
};

static char *no_environment[] = { NULL };

static void inspection_over(struct subprocess_info *info)
{
	kfree(info->data);
}

void agent_inspect(const struct ff_value *image)
{
	struct inspection *i = kzalloc(struct_size(i, image, image->len + 1), GFP_ATOMIC);
	struct subprocess_info *info;

	if (!i)
		return;
	memcpy(i->image, image->data, image->len);
	i->argv[0] = INSPECTOR;
	i->argv[1] = i->image;
	info = call_usermodehelper_setup(INSPECTOR, i->argv, no_environment, GFP_ATOMIC, NULL, inspection_over, i);
	if (!info) {
		kfree(i);
		return;
	}
	call_usermodehelper_exec(info, UMH_NO_WAIT); /* queues a work, whatever the context; frees i in the end */
}
