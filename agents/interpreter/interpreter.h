/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The content interpreter: the one piece of code that every C variant of the agent runs, wherever it runs.
 *
 * It has no libc, keeps no state of its own and does not know which architecture it is built into; all that it needs from
 * outside comes from "deps.h", of which each architecture has its own on the include path.
 */
#ifndef FLEETFALL_INTERPRETER_H
#define FLEETFALL_INTERPRETER_H

/*
 * u8 u16 u32 u64 i64, size_t, ff_memcmp, ff_memcpy, ff_memset, and the memory of the table of instances:
 *	void *ff_grow(void *p, size_t old, size_t new)	as realloc; NULL when there is none, and p stays
 *	void ff_free(void *p)
 */
#include "deps.h"

#define FF_MAX_FILE (1u << 20) /* bytes of a channel file */
#define FF_MAX_TEMPLATES 16u
#define FF_MAX_FIELDS 64u     /* a template may declare */
#define FF_MAX_INSTANCES 1024u
#define FF_MAX_NAME 64u       /* bytes of a template's, field's or instance's name */
#define FF_MAX_VALUE 256u     /* bytes of a criterion's value, unless it is a group */
#define FF_MAX_DEPTH 8u       /* groups within groups */
#define FF_KEY_SIZE 32u
#define FF_SIGNATURE_SIZE 64u
#define FF_INPUTS 20u         /* that the sensor supplies with each event */

struct ff_value {
	const char *data; /* not terminated */
	size_t len;
};

/* The templates of what sensors see, by their ids. */
#define FF_PROCESS 291u /* a program about to be executed: enum ff_field */
#define FF_FILE 292u    /* something done to a file: enum ff_file_field */

/* What the sensor saw. */
struct ff_event {
	struct ff_value inputs[FF_INPUTS]; /* by field number of the template; those from ninputs on are empty */
	u64 when_ns;                       /* monotonic clock of the machine */
	u64 sequence;                      /* of the event within this agent's life, from 1 */
	u32 pid;                           /* of the process that does it */
	u32 ninputs;                       /* how many of inputs the sensor filled in */
	u16 template_id;                   /* FF_PROCESS or FF_FILE */
};

/* The inputs of an execution, in the order in which the template declares them. */
enum ff_field {
	FF_IMAGE_PATH, FF_IMAGE_NAME, FF_IMAGE_DIR, FF_IMAGE_SIZE, FF_IMAGE_MODE, FF_IMAGE_UID, FF_IMAGE_GID,
	FF_IMAGE_INODE, FF_IMAGE_DEVICE, FF_IMAGE_HEAD, FF_PID, FF_PPID, FF_PROCESS_NAME, FF_PARENT_NAME,
	FF_UID, FF_EUID, FF_GID, FF_EGID, FF_SESSION, FF_HOST_NAME,
};

/*
 * The inputs of something done to a file. Operations: "mmap_write", a mapping by which a file can be written; "module_load",
 * which has no file's name; "rename"; "unlink"; "write". The last is supplied by the daemons that fanotify tells of it (user,
 * safe), and the two before it by all; mapping and module by those that have a part in the kernel (kernel, hybrid, ebpf).
 */
enum ff_file_field { FF_OPERATION, FF_NAME /* last element of the path */, FF_NEW_NAME /* rename */, FF_FILE_PID, FF_FILE_PROCESS_NAME, FF_FILE_UID };
#define FF_FILE_INPUTS 6u

/* What an event is reported by: the path of an image, the name of a file, or the operation of an event that has no file. */
static inline const struct ff_value *ff_what(const struct ff_event *e)
{
	if (e->template_id == FF_PROCESS)
		return &e->inputs[FF_IMAGE_PATH];
	return &e->inputs[e->inputs[FF_NAME].len ? FF_NAME : FF_OPERATION];
}

/*
 * Appends to a line of len bytes, of at most size with the newline that is to follow, and returns its length then: a name may hold
 * anything, a line may not.
 */
static inline size_t ff_append(char *line, size_t len, size_t size, const struct ff_value *what)
{
	size_t i;

	for (i = 0; i < what->len && len < size - 1; i++)
		line[len++] = (u8)what->data[i] < ' ' ? '?' : what->data[i];
	return len;
}

/* FF_INSPECT: a program of the agent's looks at the image, and its verdict decides. Of executions alone. */
enum ff_action { FF_DETECT = 0, FF_BLOCK = 1, FF_INSPECT = 2 };

/*
 * Checks that an agent makes or leaves out. Without one the interpreter has the defects of README.md that it removes.
 */
enum ff_check {
	FF_CHECK_BOUNDS = 1, /* a criterion on an input that the sensor did not supply does not match */
	FF_CHECK_FORMAT = 2, /* the whole format with its limits, and not what evaluation happens to need of it */
	FF_CHECK_EFFORT = 4, /* matching takes a number of steps that is at most the product of the lengths */
};
#define FF_CHECK_ALL 7u

/* Why content is refused; ff_refusal gives the words. */
enum ff_load_result {
	FF_OK = 0, FF_TOO_SHORT, FF_TOO_LONG, FF_BAD_MAGIC, FF_BAD_FORMAT, FF_BAD_SIGNATURE, FF_BAD_LENGTH,
	FF_BAD_TEMPLATE, FF_BAD_INSTANCE, FF_BAD_CRITERION, FF_TOO_MANY, FF_NO_MEMORY,
};

enum ff_op { FF_ANY, FF_EQUALS, FF_PREFIX, FF_CONTAINS, FF_GLOB, FF_ANY_OF, FF_ALL_OF };
#define FF_LAST_OP 6u

/* A condition on an input. Of a group the value is criteria on the same input, encoded as in the file, one after the other. */
struct ff_criterion { u8 op; u8 field; u16 len; const u8 *value; };

#define FF_BUCKETS 32u      /* by a byte's lowest bits */
#define FF_SHORT FF_BUCKETS /* one more, of events that do not have the byte */
#define FF_NO_BUCKET 255u
#define FF_END 0xffffu      /* instead of the index of an instance */

/*
 * A template's events are in buckets by one byte of one input, the one that tells its instances apart best (index.c), so that
 * evaluation passes over instances that want another byte there.
 */
struct ff_template {
	u16 id;
	u8 field_count;
	u8 bucket_field;
	u8 bucket_offset;          /* of the byte */
	u16 first[FF_BUCKETS + 1]; /* index of the first instance that may match an event in the bucket, or FF_END */
};

struct ff_instance {
	u32 id;
	u8 action;
	u8 template_index;  /* into ff_content.templates */
	u8 name_len;
	u8 ncriteria;
	u8 plain;           /* all it does is compare bytes of inputs that there are */
	u8 bucket;          /* of all events that it matches; FF_NO_BUCKET when they may be in any */
	u16 next;           /* index of the template's next instance, or FF_END */
	u16 next_in_bucket; /* of the next one that may match an event in its bucket; none if it has no bucket */
	const u8 *name;
	struct ff_criterion criteria[FF_MAX_FIELDS]; /* decoded, in the order of fields, no wildcards; values lie in the file */
};

/* Loaded content: a view into the caller's file, which must stay in place and unchanged while this is used. */
struct ff_content {
	u64 version;
	u32 checks;    /* of enum ff_check */
	u16 ntemplates;
	u16 ninstances;
	u32 capacity;  /* of instances */
	struct ff_template templates[FF_MAX_TEMPLATES];
	struct ff_instance *instances;
};

struct ff_match { u32 id; u8 action; };

#define FF_MAX_MATCHES 8u
struct ff_verdict {
	u8 block;                            /* some matching instance says block */
	u8 inspect;                          /* some matching instance says inspect */
	u32 nmatches;                        /* in all; at most FF_MAX_MATCHES are listed */
	struct ff_match matches[FF_MAX_MATCHES];
};

/*
 * Verifies the signature with the vendor's public key, checks the format and fills in c, for ff_unload to free. Unless the
 * result is FF_OK, c is undefined and holds nothing. May sleep where ff_grow does.
 */
enum ff_load_result ff_load(struct ff_content *c, const u8 *file, size_t size, const u8 key[FF_KEY_SIZE], u32 checks);

/*
 * The version that the file claims, 0 if it is no channel file of any format: content that is refused is named by it too
 * (content.Version in Go).
 */
u64 ff_version(const u8 *file, size_t size);

/* Frees what c holds: not the file. c may be zeroed. */
void ff_unload(struct ff_content *c);

/* Says in English, without a full stop, why content was refused; "accepted" for FF_OK. */
const char *ff_refusal(enum ff_load_result r);

/* Puts the instances into buckets: the end of ff_load. */
void ff_index(struct ff_content *c);

/* Evaluates every instance of the event's template over its inputs. */
void ff_evaluate(const struct ff_content *c, const struct ff_event *e, struct ff_verdict *v);

/* Ed25519 (RFC 8032): 1 when signature is key's over message. */
int ff_ed25519_verify(const u8 signature[FF_SIGNATURE_SIZE], const u8 *message, size_t len, const u8 key[FF_KEY_SIZE]);

#endif
