// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The agent's programs: the kernel calls each as a hook of a security module, and refuses what it refuses. They report through
 * a ring buffer, from which the daemon (agents/ebpf) makes lines.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "interpreter.h"
#include "sensor.h"

#define WHAT 480 /* bytes of a report that say what: a line to the guest program has 512 */

/* agents/ebpf/report.go reads it. */
struct detection {
	__u32 rule, pid, action, len; /* len: of what, which is not terminated */
	char what[WHAT];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10);
} reports SEC(".maps");

volatile __u64 lost;   /* reports that there was no room for */
volatile __u64 called; /* how often the kernel has asked about a mapping: the daemon looks whether it asks at all */

/* Reports what matched; what was done is the input of this field, which lies in the long text. */
static __always_inline void report(const struct event *e, __u32 field)
{
	__u32 at = e->inputs[field].at & (LONG_TEXT - 1), len = e->inputs[field].len, i;
	struct detection *d;

	for (i = 0; i < MAX_MATCHES && i < e->nmatches; i++) {
		d = bpf_ringbuf_reserve(&reports, sizeof(*d), 0);
		if (!d) {
			__sync_fetch_and_add(&lost, 1);
			return;
		}
		d->rule = e->matches[i].rule;
		d->pid = bpf_get_current_pid_tgid() >> 32;
		d->action = e->matches[i].action;
		d->len = len < WHAT ? len : WHAT;
		bpf_probe_read_kernel(d->what, WHAT, &e->text[at]);
		bpf_ringbuf_submit(d, 0);
	}
}

/* Evaluates and reports an event, and lets it go. Returns what the hook is to return; earlier is what a program before said. */
static __always_inline int decide(struct event *e, __u32 what, int earlier)
{
	int block;

	evaluate(e);
	report(e, what);
	block = e->block;
	release_event(e);
	if (earlier) /* another refusal stands */
		return earlier;
	return block ? -EACCES : 0;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(check_execution, struct linux_binprm *bprm, int earlier)
{
	struct event *e = claim_event();

	if (!e)
		return earlier;
	sense_execution(e, bprm);
	return decide(e, FF_IMAGE_PATH, earlier);
}

SEC("lsm/inode_rename")
int BPF_PROG(check_rename, struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, int earlier)
{
	struct event *e = claim_event();

	if (!e)
		return earlier;
	sense_operation(e, "rename");
	put_file_name(e, FF_NAME, old);
	put_file_name(e, FF_NEW_NAME, new);
	return decide(e, FF_NAME, earlier);
}

SEC("lsm/inode_unlink")
int BPF_PROG(check_unlink, struct inode *dir, struct dentry *dentry, int earlier)
{
	struct event *e = claim_event();

	if (!e)
		return earlier;
	sense_operation(e, "unlink");
	put_file_name(e, FF_NAME, dentry);
	return decide(e, FF_NAME, earlier);
}

SEC("lsm/mmap_file")
int BPF_PROG(check_mapping, struct file *file, unsigned long asked, unsigned long prot, unsigned long flags, int earlier)
{
	unsigned long kind = flags & MAP_TYPE;
	struct event *e;

	__sync_fetch_and_add(&called, 1);
	if (!file || !(prot & PROT_WRITE) || (kind != MAP_SHARED && kind != MAP_SHARED_VALIDATE) ||
	    (file->f_inode->i_mode & S_IFMT) != S_IFREG)
		return earlier;
	e = claim_event();
	if (!e)
		return earlier;
	sense_operation(e, "mmap_write");
	put_file_name(e, FF_NAME, file->f_path.dentry);
	return decide(e, FF_NAME, earlier);
}

SEC("lsm/kernel_load_data")
int BPF_PROG(check_load, enum kernel_load_data_id id, _Bool contents, int earlier)
{
	struct event *e;

	if (id != bpf_core_enum_value(enum kernel_load_data_id, LOADING_MODULE))
		return earlier;
	e = claim_event();
	if (!e)
		return earlier;
	sense_operation(e, "module_load");
	return decide(e, FF_OPERATION, earlier);
}

char agent_license[] SEC("license") = "GPL"; /* helpers that read the kernel's memory are for such programs alone */
