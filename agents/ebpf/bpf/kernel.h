/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The members of the kernel's structures that the sensor reads, and no others: where they lie is taken from the running
 * kernel's BTF when the programs are loaded (CO-RE), so order and size here mean nothing.
 */
#ifndef FLEETFALL_EBPF_KERNEL_H
#define FLEETFALL_EBPF_KERNEL_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	__u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct linux_binprm {
	struct file *file;
	char buf[256]; /* the file's first bytes */
};

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[1];
};

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };

struct signal_struct {
	struct pid *pids[PIDTYPE_MAX];
};

struct cred {
	kuid_t uid, euid;
	kgid_t gid, egid;
};

struct new_utsname {
	char nodename[65];
};

struct uts_namespace {
	struct new_utsname name;
};

struct nsproxy {
	struct uts_namespace *uts_ns;
};

struct task_struct {
	int tgid;
	struct task_struct *real_parent, *group_leader;
	const struct cred *cred;
	char comm[16];
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
};

#pragma clang attribute pop

enum kernel_load_data_id { LOADING_MODULE = 2 }; /* as a relocation has it: bpf_core_enum_value */

#define EACCES 13
#define PROT_WRITE 0x2
#define MAP_TYPE 0x0f
#define MAP_SHARED 0x01
#define MAP_SHARED_VALIDATE 0x03
#define S_IFMT 0170000
#define S_IFREG 0100000

#endif
