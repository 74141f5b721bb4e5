// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What is done to files: a fanotify group that is only told, apart from the one that is asked, because a file's name comes
 * with events that are not asked about alone. It watches whole file systems, which is where renames and deletions are told of.
 */
#define _GNU_SOURCE /* struct file_handle */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>
#include "agent.h"

/* In the order in which they can have happened to a file where one event tells of several. */
static const struct { u64 bit; const char *name; } operations[] = {
	{ FAN_MODIFY, "write" }, { FAN_RENAME, "rename" }, { FAN_DELETE, "unlink" },
};

int agent_files_watch(char **mounts)
{
	int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);

	if (group < 0) {
		perror("agent: no events of files: fanotify_init");
		return -1;
	}
	for (; *mounts; mounts++) {
		if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY | FAN_RENAME | FAN_DELETE, AT_FDCWD, *mounts) < 0)
			fprintf(stderr, "agent: no events of files on %s: %s\n", *mounts, strerror(errno));
	}
	return group;
}

/* The file's name, and that which a rename gives it; "" for what the event does not say. */
static void find_names(const struct fanotify_event_metadata *e, const char **name, const char **new_name)
{
	const char *at = (const char *)e + e->metadata_len, *end = (const char *)e + e->event_len;

	*name = *new_name = "";
	while (at < end) {
		const struct fanotify_event_info_fid *info = (const void *)at;
		const struct file_handle *folder = (const void *)info->handle;

		switch (info->hdr.info_type) {
		case FAN_EVENT_INFO_TYPE_DFID_NAME:
		case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
			*name = (const char *)folder->f_handle + folder->handle_bytes;
			break;
		case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
			*new_name = (const char *)folder->f_handle + folder->handle_bytes;
			break;
		}
		at += info->hdr.len;
	}
}

static void report(struct agent_sensing *s, pid_t pid)
{
	struct ff_verdict verdict;
	u32 i;

	agent_content_evaluate(&s->event, &verdict);
	for (i = 0; i < verdict.nmatches && i < FF_MAX_MATCHES; i++)
		agent_say_detection(verdict.matches[i].id, 0, pid, &s->event.inputs[FF_NAME]);
}

int agent_files_read(int group, struct agent_sensing *s)
{
	_Alignas(struct fanotify_event_metadata) char events[4096];
	struct fanotify_event_metadata *e = (void *)events;
	ssize_t len = read(group, events, sizeof(events));
	const char *name, *new_name;
	size_t i;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (; FAN_EVENT_OK(e, len); e = FAN_EVENT_NEXT(e, len)) {
		if (e->vers != FANOTIFY_METADATA_VERSION)
			return -EPROTO;
		if (e->pid == getpid())
			continue;
		find_names(e, &name, &new_name);
		for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
			if (e->mask & operations[i].bit) {
				agent_sense_file(s, operations[i].name, name, new_name, e->pid);
				report(s, e->pid);
			}
		}
	}
	return 0;
}
