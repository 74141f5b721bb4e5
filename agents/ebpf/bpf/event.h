/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What an event is, and the memory that it is put together in: a BPF program's stack has 512 bytes. */
#ifndef FLEETFALL_EBPF_EVENT_H
#define FLEETFALL_EBPF_EVENT_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The templates and their fields, as agents/interpreter/interpreter.h has them. */
#define FF_PROCESS 291
#define FF_FILE 292
#define FF_INPUTS 20
#define FF_FILE_INPUTS 6

enum ff_field {
	FF_IMAGE_PATH, FF_IMAGE_NAME, FF_IMAGE_DIR, FF_IMAGE_SIZE, FF_IMAGE_MODE, FF_IMAGE_UID, FF_IMAGE_GID,
	FF_IMAGE_INODE, FF_IMAGE_DEVICE, FF_IMAGE_HEAD, FF_PID, FF_PPID, FF_PROCESS_NAME, FF_PARENT_NAME,
	FF_UID, FF_EUID, FF_GID, FF_EGID, FF_SESSION, FF_HOST_NAME,
};

enum ff_file_field { FF_OPERATION, FF_NAME, FF_NEW_NAME, FF_FILE_PID, FF_FILE_PROCESS_NAME, FF_FILE_UID };

#define FF_BLOCK 1 /* of enum ff_action */

#define MAX_MATCHES 8 /* listed in a verdict, as FF_MAX_MATCHES */

/* Bytes of an event's text; a power of two, so that an index is kept inside by a mask, as the verifier wants to see it. */
#define TEXT 8192
#define LONG_TEXT 4096 /* at the beginning: a path, or an operation and names */
#define NAME_TEXT 256  /* a name and its terminator */
#define SLOT_TEXT 64   /* behind that, for each of the other inputs */
#define SLOT(field) (LONG_TEXT + SLOT_TEXT * (field))

/* An input is a run of the event's text. */
struct input {
	__u16 at, len;
};

struct match {
	__u32 rule;
	__u32 action;
};

/* An event that is put together and evaluated. agents/ebpf/interpreter_test.go lays it out too. */
struct event {
	__u32 busy;        /* somebody's */
	__u16 template_id;
	__u16 ninputs;
	struct input inputs[FF_INPUTS];

	__u32 block;       /* the verdict: a matching rule says so */
	__u32 nmatches;    /* in all; at most MAX_MATCHES are listed */
	struct match matches[MAX_MATCHES];

	/* Where the interpreter is: see interpreter.h. */
	__u32 step, input_at, pattern_at, retry_input, retry_pattern, starred;

	char text[TEXT];
};

/*
 * Events under way. A program may be preempted in the middle of one by another on the same CPU, so an event is not a CPU's but
 * whoever's claims it.
 */
#define EVENTS 8

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

volatile __u64 unseen; /* happenings for which there was no event left */

/* Returns an event of one's own, or NULL when there is none left. */
static __always_inline struct event *claim_event(void)
{
	struct event *e;
	__u32 i;

	for (i = 0; i < EVENTS; i++) {
		__u32 key = i;

		e = bpf_map_lookup_elem(&events, &key);
		if (e && __sync_val_compare_and_swap(&e->busy, 0, 1) == 0)
			return e;
	}
	__sync_fetch_and_add(&unseen, 1);
	return NULL;
}

static __always_inline void release_event(struct event *e)
{
	__sync_lock_test_and_set(&e->busy, 0);
}

#endif
