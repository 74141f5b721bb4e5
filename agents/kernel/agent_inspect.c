// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Content may ask for an inspection: a program that looks at the image, and whose exit status is to decide. The other agents
 * wait for it. This one evaluates where nothing may sleep, so it lets the execution go on, starts the inspector beside it, and
 * reports a detection: what the inspector comes to would be known too late, and nobody asks.
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

/* Else content that has every program inspected would never come to an end: nothing here waits for the one before. */
static bool is_inspector(const struct ff_value *image)
{
	return image->len == strlen(INSPECTOR) && !memcmp(image->data, INSPECTOR, image->len);
}

void agent_inspect(const struct ff_value *image)
{
	struct subprocess_info *info;
	struct inspection *i;

	if (is_inspector(image))
		return;
	i = kzalloc(struct_size(i, image, image->len + 1), GFP_ATOMIC);
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
