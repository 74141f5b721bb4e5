// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The sensor's 6 inputs for what is done to files, taken where the kernel asks its security modules about it. That is before
 * it is done: what the file system then refuses was seen all the same. Nothing is decided here.
 *
 * Not seen are
 * - writes by write(2) and its kin, and what cuts a file off or lets it grow: the operation "write" is never given;
 * - writes through a mapping that is shared but not writable when it is made, and is made writable later (mprotect);
 * - modules that the kernel reads from a file (finit_module), and bytes too few for a module (init_module), which are refused
 *   before anybody is asked;
 * - folders that are deleted; links, and what is done to owners and modes;
 * - of two files that change places (RENAME_EXCHANGE) the second one's new name;
 * - what happens inside another probe's handler, which kprobes does not interrupt with this one.
 * agents/ebpf, whose programs the kernel calls in the same places, sees and misses the same, but for the last two.
 *
 * The functions run for every mapping that the machine makes, so each probe first looks whether the sensor cares at all.
 * The probes run with preemption disabled: nothing in them sleeps or allocates.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mman.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/security.h>
#include <linux/user_namespace.h>
#include "sensor.h"

static struct sensing __percpu *sensing;

/* Names that are NULL are empty. %pd copies a name whole even while the file is renamed. */
static void sense_file(const char *operation, const struct dentry *file, const struct dentry *new)
{
	struct sensing *s = this_cpu_ptr(sensing);
	char name[TASK_COMM_LEN];

	sensor_begin(s, FF_FILE, FF_FILE_INPUTS);
	sensor_put_slice(s, FF_OPERATION, operation, strlen(operation));
	sensor_put_slice(s, FF_NAME, "", 0);
	sensor_put_slice(s, FF_NEW_NAME, "", 0);
	if (file)
		sensor_put(s, FF_NAME, "%pd", file);
	if (new)
		sensor_put(s, FF_NEW_NAME, "%pd", new);
	sensor_put(s, FF_FILE_PID, "%d", task_tgid_nr(current));
	sensor_put(s, FF_FILE_PROCESS_NAME, "%s", get_task_comm(name, current->group_leader));
	sensor_put(s, FF_FILE_UID, "%u", from_kuid_munged(&init_user_ns, current_uid()));
	agent_file_event(&s->event);
}

/* security_inode_rename(old directory, old dentry, new directory, new dentry, flags) */
static int before_rename(struct kprobe *probe, struct pt_regs *regs)
{
	sense_file("rename", (void *)regs_get_kernel_argument(regs, 1), (void *)regs_get_kernel_argument(regs, 3));
	return 0;
}
NOKPROBE_SYMBOL(before_rename);

/* security_inode_unlink(directory, dentry) */
static int before_unlink(struct kprobe *probe, struct pt_regs *regs)
{
	sense_file("unlink", (void *)regs_get_kernel_argument(regs, 1), NULL);
	return 0;
}
NOKPROBE_SYMBOL(before_unlink);

/* security_mmap_file(file, protection, flags) */
static int before_mmap(struct kprobe *probe, struct pt_regs *regs)
{
	const struct file *file = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long protection = regs_get_kernel_argument(regs, 1), type = regs_get_kernel_argument(regs, 2) & MAP_TYPE;

	if (file && (protection & PROT_WRITE) && (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
	    S_ISREG(file_inode(file)->i_mode))
		sense_file("mmap_write", file->f_path.dentry, NULL);
	return 0;
}
NOKPROBE_SYMBOL(before_mmap);

/* security_kernel_load_data(what, whether its contents follow) */
static int before_load_data(struct kprobe *probe, struct pt_regs *regs)
{
	if (regs_get_kernel_argument(regs, 0) == LOADING_MODULE)
		sense_file("module_load", NULL, NULL);
	return 0;
}
NOKPROBE_SYMBOL(before_load_data);

static struct kprobe probes[] = {
	{ .symbol_name = "security_inode_rename", .pre_handler = before_rename },
	{ .symbol_name = "security_inode_unlink", .pre_handler = before_unlink },
	{ .symbol_name = "security_mmap_file", .pre_handler = before_mmap },
	{ .symbol_name = "security_kernel_load_data", .pre_handler = before_load_data },
};

int sensor_watch_files(void)
{
	size_t n;
	int err;

	sensing = alloc_percpu(struct sensing);
	if (!sensing)
		return -ENOMEM;
	for (n = 0; n < ARRAY_SIZE(probes); n++) {
		err = register_kprobe(&probes[n]);
		if (!err)
			continue;
		pr_err("cannot probe %s: error %d\n", probes[n].symbol_name, err);
		while (n-- > 0)
			unregister_kprobe(&probes[n]);
		free_percpu(sensing);
		return err;
	}
	return 0;
}

void sensor_unwatch_files(void)
{
	size_t n;

	for (n = 0; n < ARRAY_SIZE(probes); n++)
		unregister_kprobe(&probes[n]);
	free_percpu(sensing);
}
