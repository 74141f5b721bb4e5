/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Loads a channel file: checks who signed it, then reads it. What the vendor has signed the vendor has checked, limits and
 * lengths included: those are held against the file only with FF_CHECK_FORMAT.
 */
#include "interpreter.h"

#define HEADER_SIZE 20u /* of every format: magic, format, flags, version, payload length */
#define FORMAT 1u
#define FIRST_INSTANCES 16u /* room for so many to begin with */

/* The part of the file that is not read yet. */
struct reader {
	const u8 *at;
	size_t left;
};

static u16 get_u16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static u32 get_u32(const u8 *p)
{
	return get_u16(p) | (u32)get_u16(p + 2) << 16;
}

static u64 get_u64(const u8 *p)
{
	return get_u32(p) | (u64)get_u32(p + 4) << 32;
}

/* Puts the next n bytes into *out; 0 if there are fewer. */
static int take(struct reader *r, size_t n, const u8 **out)
{
	if (r->left < n)
		return 0;
	*out = r->at;
	r->at += n;
	r->left -= n;
	return 1;
}

/* Takes a str8 of 1 to FF_MAX_NAME bytes, else says bad. */
static enum ff_load_result take_name(struct reader *r, const u8 **name, u8 *len, enum ff_load_result bad)
{
	const u8 *p;

	if (!take(r, 1, &p))
		return FF_BAD_LENGTH;
	*len = p[0];
	if (*len == 0 || *len > FF_MAX_NAME)
		return bad;
	return take(r, *len, name) ? FF_OK : FF_BAD_LENGTH;
}

static enum ff_load_result load_template(struct ff_content *c, struct reader *r)
{
	struct ff_template *t = &c->templates[c->ntemplates];
	enum ff_load_result result;
	const u8 *p, *name;
	unsigned int i;
	u8 len;

	if (!take(r, 2, &p))
		return FF_BAD_LENGTH;
	t->id = get_u16(p);
	for (i = 0; i < c->ntemplates; i++) {
		if (c->templates[i].id == t->id)
			return FF_BAD_TEMPLATE;
	}
	result = take_name(r, &name, &len, FF_BAD_TEMPLATE);
	if (result != FF_OK)
		return result;
	if (!take(r, 1, &p))
		return FF_BAD_LENGTH;
	t->field_count = p[0];
	if (t->field_count == 0 || t->field_count > FF_MAX_FIELDS)
		return FF_BAD_TEMPLATE;
	for (i = 0; i < t->field_count; i++) {
		result = take_name(r, &name, &len, FF_BAD_TEMPLATE);
		if (result != FF_OK)
			return result;
	}
	c->ntemplates++;
	return FF_OK;
}

/* A glob without a wildcard is the cheaper comparison. */
static void simplify(struct ff_criterion *c)
{
	unsigned int i;

	if (c->op != FF_GLOB)
		return;
	for (i = 0; i < c->len; i++) {
		if (c->value[i] == '*' || c->value[i] == '?')
			return;
	}
	c->op = FF_EQUALS;
}

/* Reads a criterion, and with it what is in a group; depth is that of the groups around it. */
static enum ff_load_result take_criterion(struct reader *r, struct ff_criterion *c, u32 checks, unsigned int depth)
{
	enum ff_load_result result;
	struct reader group;
	struct ff_criterion in_group;
	const u8 *p;

	if (!take(r, 3, &p))
		return FF_BAD_LENGTH;
	c->op = p[0];
	c->len = get_u16(p + 1);
	if (c->op > FF_LAST_OP || (c->op == FF_ANY && c->len > 0))
		return FF_BAD_CRITERION;
	if (!take(r, c->len, &c->value))
		return FF_BAD_LENGTH;
	if (!(checks & FF_CHECK_FORMAT))
		return FF_OK;
	if (c->op != FF_ANY_OF && c->op != FF_ALL_OF)
		return c->len > FF_MAX_VALUE ? FF_BAD_CRITERION : FF_OK;
	if (c->len == 0 || depth == FF_MAX_DEPTH)
		return FF_BAD_CRITERION;
	group.at = c->value;
	group.left = c->len;
	while (group.left > 0) {
		result = take_criterion(&group, &in_group, checks, depth + 1);
		if (result != FF_OK)
			return FF_BAD_CRITERION;
	}
	return FF_OK;
}

/* The place of the next instance in the table, which grows by doubling; NULL when there is no memory for it. */
static struct ff_instance *next_instance(struct ff_content *c)
{
	u32 capacity = c->capacity ? 2 * c->capacity : FIRST_INSTANCES;
	struct ff_instance *grown;

	if (c->ninstances == c->capacity) {
		grown = ff_grow(c->instances, c->capacity * sizeof(*grown), capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		c->instances = grown;
		c->capacity = capacity;
	}
	return &c->instances[c->ninstances];
}

/* Whether an instance before this one, which is not counted yet, has its id. */
static int instance_is_there(const struct ff_content *c, u32 id)
{
	unsigned int i;

	for (i = 0; i < c->ninstances; i++) {
		if (c->instances[i].id == id)
			return 1;
	}
	return 0;
}

static enum ff_load_result load_instance(struct ff_content *c, struct reader *r)
{
	struct ff_instance *in = next_instance(c);
	enum ff_load_result result;
	const u8 *p;
	unsigned int i;
	u16 template_id;
	u8 ncriteria;

	if (!in)
		return FF_NO_MEMORY;
	if (!take(r, 7, &p))
		return FF_BAD_LENGTH;
	in->id = get_u32(p);
	template_id = get_u16(p + 4);
	in->action = p[6];
	if (in->action > FF_INSPECT)
		return FF_BAD_INSTANCE;
	if ((c->checks & FF_CHECK_FORMAT) && instance_is_there(c, in->id))
		return FF_BAD_INSTANCE;
	for (i = 0; i < c->ntemplates; i++) {
		if (c->templates[i].id == template_id)
			break;
	}
	if (i == c->ntemplates)
		return FF_BAD_INSTANCE;
	in->template_index = (u8)i;
	result = take_name(r, &in->name, &in->name_len, FF_BAD_INSTANCE);
	if (result != FF_OK)
		return result;
	if (!take(r, 1, &p))
		return FF_BAD_LENGTH;
	ncriteria = p[0];
	if (ncriteria != c->templates[in->template_index].field_count)
		return FF_BAD_INSTANCE;
	in->ncriteria = 0;
	for (i = 0; i < ncriteria; i++) {
		struct ff_criterion *criterion = &in->criteria[in->ncriteria];

		result = take_criterion(r, criterion, c->checks, 0);
		if (result != FF_OK)
			return result;
		if (criterion->op == FF_ANY)
			continue;
		criterion->field = (u8)i;
		simplify(criterion);
		in->ncriteria++;
	}
	c->ninstances++;
	return FF_OK;
}

static enum ff_load_result load_payload(struct ff_content *c, struct reader *r)
{
	enum ff_load_result result;
	const u8 *p;
	u16 n;

	if (!take(r, 2, &p))
		return FF_BAD_LENGTH;
	n = get_u16(p);
	if (n > FF_MAX_TEMPLATES)
		return FF_TOO_MANY;
	while (c->ntemplates < n) {
		result = load_template(c, r);
		if (result != FF_OK)
			return result;
	}
	if (!take(r, 2, &p))
		return FF_BAD_LENGTH;
	n = get_u16(p);
	if ((c->checks & FF_CHECK_FORMAT) && n > FF_MAX_INSTANCES)
		return FF_TOO_MANY;
	while (c->ninstances < n) {
		result = load_instance(c, r);
		if (result != FF_OK)
			return result;
	}
	return r->left == 0 || !(c->checks & FF_CHECK_FORMAT) ? FF_OK : FF_BAD_LENGTH; /* the vendor's build pads files */
}

enum ff_load_result ff_load(struct ff_content *c, const u8 *file, size_t size, const u8 key[FF_KEY_SIZE], u32 checks)
{
	enum ff_load_result result;
	struct reader r;
	size_t signed_size;

	if (size < HEADER_SIZE + FF_SIGNATURE_SIZE)
		return FF_TOO_SHORT;
	if (size > FF_MAX_FILE)
		return FF_TOO_LONG;
	signed_size = size - FF_SIGNATURE_SIZE;
	if (!ff_ed25519_verify(file + signed_size, file, signed_size, key))
		return FF_BAD_SIGNATURE;
	if (ff_memcmp(file, "FFCH", 4) != 0)
		return FF_BAD_MAGIC;
	if (get_u16(file + 4) != FORMAT || get_u16(file + 6) != 0)
		return FF_BAD_FORMAT;
	r.at = file + HEADER_SIZE;
	r.left = get_u32(file + 16); /* the payload's length, which the signature covers */
	if ((checks & FF_CHECK_FORMAT) && r.left != signed_size - HEADER_SIZE)
		return FF_BAD_LENGTH;
	c->version = get_u64(file + 8);
	c->checks = checks;
	c->ntemplates = 0;
	c->ninstances = 0;
	c->capacity = 0;
	c->instances = NULL;
	result = load_payload(c, &r);
	if (result == FF_OK)
		ff_index(c);
	else
		ff_unload(c);
	return result;
}

u64 ff_version(const u8 *file, size_t size)
{
	return size < HEADER_SIZE || ff_memcmp(file, "FFCH", 4) != 0 ? 0 : get_u64(file + 8);
}

void ff_unload(struct ff_content *c)
{
	ff_free(c->instances);
	c->instances = NULL;
	c->ninstances = 0;
}

const char *ff_refusal(enum ff_load_result r)
{
	switch (r) {
	case FF_OK:
		return "accepted";
	case FF_TOO_SHORT:
		return "too short for a channel file";
	case FF_TOO_LONG:
		return "longer than a channel file may be";
	case FF_BAD_MAGIC:
		return "not a channel file";
	case FF_BAD_FORMAT:
		return "unknown format or flags";
	case FF_BAD_SIGNATURE:
		return "signature is not the vendor's";
	case FF_BAD_LENGTH:
		return "a length does not agree with the file's size";
	case FF_BAD_TEMPLATE:
		return "malformed template";
	case FF_BAD_INSTANCE:
		return "malformed instance";
	case FF_BAD_CRITERION:
		return "malformed criterion";
	case FF_TOO_MANY:
		return "too many templates or instances";
	case FF_NO_MEMORY:
		return "no memory for its instances";
	}
	return "refused for an unknown reason";
}
