/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Evaluates loaded content over one event: runs for every program that the machine executes. */
#include "interpreter.h"

/* Decodes the criterion at p, inside a group, and returns the place of the next one. */
static const u8 *next_criterion(struct ff_criterion *c, const u8 *p)
{
	c->op = p[0];
	c->len = (u16)(p[1] | p[2] << 8);
	c->value = p + 3;
	return c->value + c->len;
}

/* How many bytes input and the criterion's value have in common, from the input's byte at on. */
static size_t common_prefix(const struct ff_value *input, size_t at, const struct ff_criterion *c)
{
	size_t n = 0;

	while (at + n < input->len && n < c->len && (u8)input->data[at + n] == c->value[n])
		n++;
	return n;
}

static int contains(const struct ff_value *input, const struct ff_criterion *c)
{
	size_t at = 0;

	do {
		if (common_prefix(input, at, c) == c->len)
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
		return common_prefix(input, 0, c) == c->len && input->len == c->len;
	case FF_PREFIX:
		return common_prefix(input, 0, c) == c->len;
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

/* Whether every criterion of the instance matches the input of its field, in the order of the template's fields. */
static int instance_matches(const struct ff_content *c, const struct ff_instance *in, const struct ff_event *e)
{
	const struct ff_template *t = &c->templates[in->template_index];
	const struct ff_value *inputs = e->inputs;
	unsigned int field;

	if (t->id != e->template_id)
		return 0;
	for (field = 0; field < t->field_count; field++) {
		if ((c->checks & FF_CHECK_BOUNDS) && field >= e->ninputs && in->criteria[field].op != FF_ANY)
			return 0;
		if (!criterion_matches(&in->criteria[field], &inputs[field], c->checks))
			return 0;
	}
	return 1;
}

void ff_evaluate(const struct ff_content *c, const struct ff_event *e, struct ff_verdict *v)
{
	unsigned int i;

	v->block = 0;
	v->inspect = 0;
	v->nmatches = 0;
	for (i = 0; i < c->ninstances; i++) {
		const struct ff_instance *in = &c->instances[i];

		if (!instance_matches(c, in, e))
			continue;
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
}
