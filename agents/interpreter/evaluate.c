/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Evaluates loaded content over one event: runs for every program that the machine executes. Most events match nothing, which
 * is seen by their bucket and a byte or two. test/harness/byhand.c is what it is measured against.
 */
#include "interpreter.h"

/* Decodes the criterion at p, inside a group, and returns the place of the next one. */
static const u8 *next_criterion(struct ff_criterion *c, const u8 *p)
{
	c->op = p[0];
	c->len = (u16)(p[1] | p[2] << 8);
	c->value = p + 3;
	return c->value + c->len;
}

/* Whether the input has the criterion's value at at: byte by byte as far as both reach, and lengths after that. */
static int has_value_at(const struct ff_value *input, size_t at, const struct ff_criterion *c)
{
	size_t n = 0;

	while (at + n < input->len && n < c->len && (u8)input->data[at + n] == c->value[n])
		n++;
	return n == c->len;
}

static int contains(const struct ff_value *input, const struct ff_criterion *c)
{
	size_t at = 0;

	do {
		if (has_value_at(input, at, c))
			return 1;
	} while (++at < input->len);
	return 0;
}

/* Whether the pattern from p on matches the input from i on: as it is defined, a '*' tries every run from the shortest on. */
static int glob(const struct ff_value *input, size_t i, const struct ff_criterion *c, size_t p)
{
	for (; p < c->len; p++, i++) {
		if (c->value[p] == '*') {
			for (; i <= input->len; i++) {
				if (glob(input, i, c, p + 1))
					return 1;
			}
			return 0;
		}
		if (i == input->len || (c->value[p] != '?' && c->value[p] != (u8)input->data[i]))
			return 0;
	}
	return i == input->len;
}

/*
 * The same in at most as many steps as the product of the lengths. On a mismatch the last '*' takes one byte more; an
 * earlier one never needs to, since whatever it would give up the last one can take.
 */
static int bounded_glob(const struct ff_value *input, const struct ff_criterion *c)
{
	size_t i = 0, p = 0, retry_i = 0, retry_p = 0;
	int starred = 0;

	while (i < input->len) {
		if (p < c->len && c->value[p] == '*') {
			starred = 1;
			retry_p = ++p;
			retry_i = i;
		} else if (p < c->len && (c->value[p] == '?' || c->value[p] == (u8)input->data[i])) {
			p++;
			i++;
		} else if (starred) {
			p = retry_p;
			i = ++retry_i;
		} else {
			return 0;
		}
	}
	while (p < c->len && c->value[p] == '*')
		p++;
	return p == c->len;
}

static int criterion_matches(const struct ff_criterion *c, const struct ff_value *input, u32 checks);

/* Whether one of the group's criteria matches the input, or all of them do. */
static int group_matches(const struct ff_criterion *group, const struct ff_value *input, u32 checks)
{
	const u8 *p = group->value, *end = p + group->len;
	struct ff_criterion c;
	int all = group->op == FF_ALL_OF;

	while (p < end) {
		p = next_criterion(&c, p);
		if (criterion_matches(&c, input, checks) != all)
			return !all;
	}
	return all;
}

static int criterion_matches(const struct ff_criterion *c, const struct ff_value *input, u32 checks)
{
	switch (c->op) {
	case FF_ANY:
		return 1;
	case FF_EQUALS:
		return has_value_at(input, 0, c) && input->len == c->len;
	case FF_PREFIX:
		return has_value_at(input, 0, c);
	case FF_CONTAINS:
		return contains(input, c);
	case FF_GLOB:
		return checks & FF_CHECK_EFFORT ? bounded_glob(input, c) : glob(input, 0, c, 0);
	case FF_ANY_OF:
	case FF_ALL_OF:
		return group_matches(c, input, checks);
	}
	return 0;
}

/* Whether every criterion of the instance matches the input of its field, as many fields as the template declares. */
static __attribute__((__noinline__)) int instance_matches(const struct ff_instance *in, const struct ff_event *e, u32 checks)
{
	const struct ff_criterion *c = in->criteria, *end = c + in->ncriteria;
	const struct ff_value *inputs = e->inputs;

	for (; c < end; c++) {
		if ((checks & FF_CHECK_BOUNDS) && c->field >= e->ninputs)
			return 0;
		if (!criterion_matches(c, &inputs[c->field], checks))
			return 0;
	}
	return 1;
}

static inline int same_4(const u8 *a, const u8 *b)
{
	u32 x, y;

	ff_memcpy(&x, a, 4);
	ff_memcpy(&y, b, 4);
	return x == y;
}

static inline int same_8(const u8 *a, const u8 *b)
{
	u64 x, y;

	ff_memcpy(&x, a, 8);
	ff_memcpy(&y, b, 8);
	return x == y;
}

/* Whether n bytes are the same, of which there are some. Values are short: a call of memcmp costs more than what it does. */
static inline int same_bytes(const u8 *a, const u8 *b, size_t n)
{
	if (n < 4)
		return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
	if (n < 8)
		return same_4(a, b) && same_4(a + n - 4, b + n - 4);
	for (; n > 8; a += 8, b += 8, n -= 8) {
		if (!same_8(a, b))
			return 0;
		if (n < 16)
			return same_8(a + n - 8, b + n - 8);
	}
	return same_8(a, b);
}

/*
 * As instance_matches, for a plain instance, whose criteria may come in any order: the first one last, because the bucket is of
 * it, so that a byte of it matches already.
 */
static inline int plain_matches(const struct ff_instance *in, const struct ff_event *e)
{
	const struct ff_criterion *c = in->criteria + in->ncriteria;

	do {
		const struct ff_value *input = &e->inputs[(--c)->field];

		if (input->len < c->len || (input->len > c->len && c->op == FF_EQUALS))
			return 0;
		if (!same_bytes((const u8 *)input->data, c->value, c->len))
			return 0;
	} while (c > in->criteria);
	return 1;
}

static inline void report(struct ff_verdict *v, const struct ff_instance *in)
{
	if (v->nmatches < FF_MAX_MATCHES) {
		v->matches[v->nmatches].id = in->id;
		v->matches[v->nmatches].action = in->action;
	}
	v->nmatches++;
	if (in->action == FF_BLOCK)
		v->block = 1;
	if (in->action == FF_INSPECT)
		v->inspect = 1;
}

/* Evaluates those instances, from number i on, that may match an event in the bucket. */
static __attribute__((__noinline__)) void evaluate_bucket(const struct ff_content *c, const struct ff_event *e, struct ff_verdict *v,
	unsigned int bucket, unsigned int i)
{
	do {
		const struct ff_instance *in = &c->instances[i];

		i = in->next;
		if (in->bucket == bucket)
			i = in->next_in_bucket;
		else if (in->bucket != FF_NO_BUCKET)
			continue;
		if (in->plain ? plain_matches(in, e) : instance_matches(in, e, c->checks))
			report(v, in);
	} while (i != FF_END);
}

/* The bucket of an event of the template. */
static inline unsigned int bucket_of(const struct ff_template *t, const struct ff_event *e)
{
	const struct ff_value *input = &e->inputs[t->bucket_field];

	return t->bucket_offset < input->len ? (u8)input->data[t->bucket_offset] % FF_BUCKETS : FF_SHORT;
}

void ff_evaluate(const struct ff_content *c, const struct ff_event *e, struct ff_verdict *v)
{
	const struct ff_template *t = c->templates;
	unsigned int bucket, i;

	v->block = 0;
	v->inspect = 0;
	v->nmatches = 0;
	for (i = c->ntemplates; i > 0; i--, t++) {
		if (t->id == e->template_id) {
			bucket = bucket_of(t, e);
			if (t->first[bucket] != FF_END)
				evaluate_bucket(c, e, v, bucket, t->first[bucket]);
			return;
		}
	}
}
