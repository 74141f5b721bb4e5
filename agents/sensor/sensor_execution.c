// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The sensor's 20 inputs for one execution. The user agent (agents/user/sensor.c) gives the same text for the same
 * execution, with the differences that the place makes, which are listed there.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/user_namespace.h>
#include <linux/utsname.h>
#include "sensor.h"

#define IMAGE_HEAD 64 /* bytes */

/* The path as seen by the process; empty when it is too long. Takes spin locks only. */
static void sense_path(struct sensing *s, struct file *file)
{
	char *path = file_path(file, s->path, sizeof(s->path));
	const char *slash;

	if (IS_ERR(path)) {
		s->path[0] = '\0';
		path = s->path;
	}
	sensor_put_slice(s, FF_IMAGE_PATH, path, strlen(path));
	slash = strrchr(path, '/');
	if (!slash) {
		sensor_put_slice(s, FF_IMAGE_NAME, path, strlen(path));
		sensor_put_slice(s, FF_IMAGE_DIR, path, 0);
		return;
	}
	sensor_put_slice(s, FF_IMAGE_NAME, slash + 1, strlen(slash + 1));
	sensor_put_slice(s, FF_IMAGE_DIR, path, max_t(size_t, slash - path, 1)); /* "/" of "/init" */
}

static void sense_image(struct sensing *s, struct linux_binprm *bprm)
{
	const struct inode *inode = file_inode(bprm->file);
	loff_t size = i_size_read(inode);

	sensor_put(s, FF_IMAGE_SIZE, "%lld", size);
	sensor_put(s, FF_IMAGE_MODE, "%o", inode->i_mode);
	sensor_put(s, FF_IMAGE_UID, "%u", from_kuid_munged(&init_user_ns, inode->i_uid));
	sensor_put(s, FF_IMAGE_GID, "%u", from_kgid_munged(&init_user_ns, inode->i_gid));
	sensor_put(s, FF_IMAGE_INODE, "%lu", inode->i_ino);
	sensor_put(s, FF_IMAGE_DEVICE, "%u", new_encode_dev(inode->i_sb->s_dev));
	sensor_put_slice(s, FF_IMAGE_HEAD, bprm->buf, clamp_t(loff_t, size, 0, IMAGE_HEAD));
}

static void sense_process(struct sensing *s)
{
	const struct cred *cred = current_cred(); /* before the execution changes them */
	char name[TASK_COMM_LEN] = "";
	struct task_struct *parent;
	pid_t ppid;

	sensor_put(s, FF_PID, "%d", task_tgid_nr(current));
	sensor_put(s, FF_PROCESS_NAME, "%s", get_task_comm(name, current->group_leader));

	rcu_read_lock();
	parent = rcu_dereference(current->real_parent);
	ppid = task_tgid_nr(parent);
	name[0] = '\0';
	if (ppid) /* the idle task is nobody's parent as user space sees it */
		get_task_comm(name, parent->group_leader);
	rcu_read_unlock();
	sensor_put(s, FF_PPID, "%d", ppid);
	sensor_put(s, FF_PARENT_NAME, "%s", name);

	sensor_put(s, FF_UID, "%u", from_kuid_munged(&init_user_ns, cred->uid));
	sensor_put(s, FF_EUID, "%u", from_kuid_munged(&init_user_ns, cred->euid));
	sensor_put(s, FF_GID, "%u", from_kgid_munged(&init_user_ns, cred->gid));
	sensor_put(s, FF_EGID, "%u", from_kgid_munged(&init_user_ns, cred->egid));
	sensor_put(s, FF_SESSION, "%d", task_session_nr_ns(current, &init_pid_ns));
	/* Without uts_sem, which sleeps: a name that is being changed is seen half changed, and never unterminated. */
	sensor_put(s, FF_HOST_NAME, "%.*s", __NEW_UTS_LEN, init_utsname()->nodename);
}

void sensor_execution(struct sensing *s, struct linux_binprm *bprm)
{
	sensor_begin(s, FF_PROCESS, FF_INPUTS);
	sense_path(s, bprm->file);
	sense_image(s, bprm);
	sense_process(s);
}
