/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The inputs of an event: the same text that the kernel agent (agents/sensor) has for the same execution, but for
 * the host name, which is that of the process's UTS namespace.
 */
#ifndef FLEETFALL_EBPF_SENSOR_H
#define FLEETFALL_EBPF_SENSOR_H

#include <bpf/bpf_core_read.h>
#include "event.h"
#include "kernel.h"

#define IMAGE_HEAD 64 /* bytes */
#define DIGITS 22     /* of a number: 64 bits in base 8 */

static __always_inline void put_slice(struct event *e, __u32 field, __u32 at, __u32 len)
{
	e->inputs[field].at = at;
	e->inputs[field].len = len;
}

/* Not static, so that the verifier looks at it once and not at each call. Returns 0. */
__noinline int put_number(struct event *e, __u32 field, __u64 value, __u32 base)
{
	__u32 end, at, i;

	if (!e || field >= FF_INPUTS || base == 0)
		return 0;
	end = SLOT(field) + DIGITS;
	at = end;
	for (i = 0; i < DIGITS; i++) {
		at--;
		e->text[at & (TEXT - 1)] = '0' + value % base;
		value /= base;
		if (!value)
			break;
	}
	put_slice(e, field, at, end - at);
	return 0;
}

/* Copies a terminated text of the kernel's, of at most max - 1 bytes. */
static __always_inline void put_text(struct event *e, __u32 field, __u32 at, __u32 max, const void *from)
{
	long n = bpf_probe_read_kernel_str(&e->text[at], max, from);

	put_slice(e, field, at, n > 0 ? n - 1 : 0);
}

static __always_inline void put_short(struct event *e, __u32 field, const void *from)
{
	put_text(e, field, SLOT(field), SLOT_TEXT, from);
}

/* Where the text's last slash is looked for, from its end on. */
struct last_slash {
	struct event *event;
	__u32 end; /* bytes that may still hold it */
};

static long find_slash(__u32 index, void *context)
{
	struct last_slash *l = context;

	if (l->end == 0 || l->event->text[(l->end - 1) & (TEXT - 1)] == '/')
		return 1;
	l->end--;
	return 0;
}

/* The path as seen by the process; empty when it is too long. */
static __always_inline void put_image_path(struct event *e, struct file *file)
{
	struct last_slash l = { .event = e };
	long n = bpf_d_path(&file->f_path, e->text, LONG_TEXT);
	__u32 len = n > 0 ? n - 1 : 0;

	l.end = len;
	bpf_loop(LONG_TEXT, find_slash, &l, 0);
	put_slice(e, FF_IMAGE_PATH, 0, len);
	put_slice(e, FF_IMAGE_NAME, l.end, len - l.end);
	put_slice(e, FF_IMAGE_DIR, 0, l.end > 1 ? l.end - 1 : l.end); /* "/" of "/init" */
}

/* As user space knows a device's number: new_encode_dev of the kernel. */
static __always_inline __u32 encode_device(__u32 device)
{
	__u32 major = device >> 20, minor = device & 0xfffff;

	return (minor & 0xff) | major << 8 | (minor & ~0xff) << 12;
}

static __always_inline void put_image(struct event *e, struct linux_binprm *bprm)
{
	struct inode *inode = bprm->file->f_inode;
	long long size = inode->i_size;

	put_number(e, FF_IMAGE_SIZE, size, 10);
	put_number(e, FF_IMAGE_MODE, inode->i_mode, 8);
	put_number(e, FF_IMAGE_UID, inode->i_uid.val, 10);
	put_number(e, FF_IMAGE_GID, inode->i_gid.val, 10);
	put_number(e, FF_IMAGE_INODE, inode->i_ino, 10);
	put_number(e, FF_IMAGE_DEVICE, encode_device(inode->i_sb->s_dev), 10);
	if (size > IMAGE_HEAD)
		size = IMAGE_HEAD;
	if (size < 0 || bpf_probe_read_kernel(&e->text[SLOT(FF_IMAGE_HEAD)], IMAGE_HEAD, bprm->buf))
		size = 0;
	put_slice(e, FF_IMAGE_HEAD, SLOT(FF_IMAGE_HEAD), size);
}

static __always_inline void put_process(struct event *e)
{
	struct task_struct *task = bpf_get_current_task_btf(), *parent = task->real_parent;
	const struct cred *cred = task->cred; /* before the execution changes them */
	int ppid = parent->tgid;

	put_number(e, FF_PID, task->tgid, 10);
	put_short(e, FF_PROCESS_NAME, task->group_leader->comm);
	put_number(e, FF_PPID, ppid, 10);
	if (ppid) /* the idle task is nobody's parent as user space sees it */
		put_short(e, FF_PARENT_NAME, parent->group_leader->comm);
	else
		put_slice(e, FF_PARENT_NAME, 0, 0);
	put_number(e, FF_UID, cred->uid.val, 10);
	put_number(e, FF_EUID, cred->euid.val, 10);
	put_number(e, FF_GID, cred->gid.val, 10);
	put_number(e, FF_EGID, cred->egid.val, 10);
	put_number(e, FF_SESSION, task->signal->pids[PIDTYPE_SID]->numbers[0].nr, 10);
	put_text(e, FF_HOST_NAME, SLOT(FF_HOST_NAME), sizeof(((struct new_utsname *)0)->nodename),
		 task->nsproxy->uts_ns->name.nodename);
}

static __always_inline void sense_execution(struct event *e, struct linux_binprm *bprm)
{
	e->template_id = FF_PROCESS;
	e->ninputs = FF_INPUTS;
	put_image_path(e, bprm->file);
	put_image(e, bprm);
	put_process(e);
}

static __always_inline void put_file_name(struct event *e, __u32 field, struct dentry *dentry)
{
	put_text(e, field, NAME_TEXT * field, NAME_TEXT, dentry->d_name.name);
}

/* Fills in all but the names of something done to a file. operation is terminated, and the program's own. */
static __always_inline void sense_operation(struct event *e, const char *operation)
{
	struct task_struct *task = bpf_get_current_task_btf();

	e->template_id = FF_FILE;
	e->ninputs = FF_FILE_INPUTS;
	put_text(e, FF_OPERATION, NAME_TEXT * FF_OPERATION, NAME_TEXT, operation);
	put_slice(e, FF_NAME, 0, 0);
	put_slice(e, FF_NEW_NAME, 0, 0);
	put_number(e, FF_FILE_PID, task->tgid, 10);
	put_short(e, FF_FILE_PROCESS_NAME, task->group_leader->comm);
	put_number(e, FF_FILE_UID, task->cred->uid.val, 10);
}

#endif
