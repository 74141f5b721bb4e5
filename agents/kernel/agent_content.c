// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel_read_file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/vmalloc.h>
#include "agent.h"
#include "vendor_key.h"

static char *content = "/data/content/current.bin";
module_param(content, charp, 0444);
MODULE_PARM_DESC(content, "path of the channel file");

struct loaded {
	void *file; /* what parsed points into */
	struct ff_content parsed;
};

static const u8 vendor_key[FF_KEY_SIZE] = FF_VENDOR_KEY;

static struct loaded __rcu *current_content;
static DEFINE_MUTEX(load_lock); /* one load at a time */

static void free_loaded(struct loaded *l)
{
	if (!l)
		return;
	ff_unload(&l->parsed);
	vfree(l->file);
	kfree(l);
}

static struct loaded *read_content(void)
{
	struct loaded *l = kzalloc(sizeof(*l), GFP_KERNEL);
	enum ff_load_result result;
	ssize_t size;

	if (!l) {
		agent_say("refused 0 no memory");
		return NULL;
	}
	size = kernel_read_file_from_path(content, 0, &l->file, FF_MAX_FILE, NULL, READING_UNKNOWN);
	if (size < 0) {
		agent_say("refused 0 cannot read %.256s: error %zd", content, size);
		free_loaded(l);
		return NULL;
	}
	result = ff_load(&l->parsed, l->file, size, vendor_key, 0);
	if (result != FF_OK) {
		agent_say("refused %llu %s", ff_version(l->file, size), ff_refusal(result));
		pr_warn("refused content: %s\n", ff_refusal(result));
		free_loaded(l);
		return NULL;
	}
	return l;
}

void agent_content_load(void)
{
	struct loaded *new, *old;

	mutex_lock(&load_lock);
	new = read_content();
	if (new) {
		old = rcu_replace_pointer(current_content, new, lockdep_is_held(&load_lock));
		agent_say("loaded %llu", new->parsed.version);
		synchronize_rcu(); /* evaluations with the old content end */
		free_loaded(old);
	}
	mutex_unlock(&load_lock);
}

u64 agent_content_version(void)
{
	struct loaded *l;
	u64 version;

	rcu_read_lock();
	l = rcu_dereference(current_content);
	version = l ? l->parsed.version : 0;
	rcu_read_unlock();
	return version;
}

/* Only once nothing loads or evaluates any more. */
void agent_content_free(void)
{
	free_loaded(rcu_dereference_protected(current_content, true));
	RCU_INIT_POINTER(current_content, NULL);
}

void agent_content_evaluate(const struct ff_event *e, struct ff_verdict *v)
{
	struct loaded *l;

	rcu_read_lock();
	l = rcu_dereference(current_content);
	if (l)
		ff_evaluate(&l->parsed, e, v);
	else
		memset(v, 0, sizeof(*v));
	rcu_read_unlock();
}
