/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The content interpreter: the one piece of code that every C variant of the agent runs, wherever it runs.
 *
 * It has no libc, allocates nothing, keeps no state of its own and does not know which architecture it is built into;
 * all that it needs from outside comes from "deps.h", of which each architecture has its own on the include path.
 */
#ifndef FLEETFALL_INTERPRETER_H
#define FLEETFALL_INTERPRETER_H

#include "deps.h" /* u8 u16 u32 u64 i64, size_t, ff_memcmp, ff_memcpy, ff_memset */

#define FF_MAX_FILE (1u << 20) /* bytes of a channel file */
#define FF_MAX_TEMPLATES 16u
#define FF_MAX_FIELDS 32u     /* a template may declare */
#define FF_MAX_INSTANCES 1024u
#define FF_MAX_NAME 64u       /* bytes of a template's, field's or instance's name */
#define FF_MAX_VALUE 256u     /* bytes of a criterion's value */
#define FF_KEY_SIZE 32u
#define FF_SIGNATURE_SIZE 64u
#define FF_INPUTS 20u         /* that the sensor supplies with each event */

struct ff_value {
	const char *data; /* not terminated */
	size_t len;
};

/* What the sensor saw: one program about to be executed. */
struct ff_event {
	struct ff_value inputs[FF_INPUTS]; /* by field number, see enum ff_field */
	u64 when_ns;                       /* monotonic clock of the machine */
	u64 sequence;                      /* of the event within this agent's life, from 1 */
	u32 pid;                           /* of the process that executes */
	u32 ninputs;                       /* how many of inputs the sensor filled in */
};

/* The sensor's fields, in the order in which the template type declares them. */
enum ff_field {
	FF_IMAGE_PATH, FF_IMAGE_NAME, FF_IMAGE_DIR, FF_IMAGE_SIZE, FF_IMAGE_MODE, FF_IMAGE_UID, FF_IMAGE_GID,
	FF_IMAGE_INODE, FF_IMAGE_DEVICE, FF_IMAGE_HEAD, FF_PID, FF_PPID, FF_PROCESS_NAME, FF_PARENT_NAME,
	FF_UID, FF_EUID, FF_GID, FF_EGID, FF_SESSION, FF_HOST_NAME,
};

enum ff_action { FF_DETECT = 0, FF_BLOCK = 1 };

/* Why content is refused; ff_refusal gives the words. */
enum ff_load_result {
	FF_OK = 0, FF_TOO_SHORT, FF_TOO_LONG, FF_BAD_MAGIC, FF_BAD_FORMAT, FF_BAD_SIGNATURE, FF_BAD_LENGTH,
	FF_BAD_TEMPLATE, FF_BAD_INSTANCE, FF_BAD_CRITERION, FF_TOO_MANY,
};

struct ff_criterion { u8 op; u16 len; const u8 *value; };

struct ff_template { u16 id; u8 field_count; };

struct ff_instance {
	u32 id;
	u8 action;
	u8 template_index;     /* into ff_content.templates */
	u8 name_len;
	const u8 *name;
	const u8 *criteria;    /* the encoded criteria inside the file; ff_load has walked them once */
};

/* Loaded content: a view into the caller's file, which must stay in place and unchanged while this is used. */
struct ff_content {
	u64 version;
	u16 ntemplates;
	u16 ninstances;
	struct ff_template templates[FF_MAX_TEMPLATES];
	struct ff_instance instances[FF_MAX_INSTANCES];
};

struct ff_match { u32 id; u8 action; };

#define FF_MAX_MATCHES 8u
struct ff_verdict {
	u8 block;                            /* some matching instance says block */
	u32 nmatches;                        /* in all; at most FF_MAX_MATCHES are listed */
	struct ff_match matches[FF_MAX_MATCHES];
};

/* Verifies the signature with the vendor's public key, checks the format and fills in c. c is undefined unless FF_OK. */
enum ff_load_result ff_load(struct ff_content *c, const u8 *file, size_t size, const u8 key[FF_KEY_SIZE]);

/* Says in English, without a full stop, why content was refused; "accepted" for FF_OK. */
const char *ff_refusal(enum ff_load_result r);

/* Evaluates every instance over the event's inputs. */
void ff_evaluate(const struct ff_content *c, const struct ff_event *e, struct ff_verdict *v);

/* Ed25519 (RFC 8032): 1 when signature is key's over message. */
int ff_ed25519_verify(const u8 signature[FF_SIGNATURE_SIZE], const u8 *message, size_t len, const u8 key[FF_KEY_SIZE]);

#endif
