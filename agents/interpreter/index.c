/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Puts loaded instances into buckets, by which evaluation passes over those that cannot match. An instance has a bucket if its
 * first criterion is on the input by which its template's events are put into buckets, and wants a certain byte there: so an
 * instance that is passed over is one that evaluation would leave at once. All others may match an event in any bucket.
 */
#include "interpreter.h"

#define MAX_OFFSET 15u /* of the byte; names of files and programs differ before that */

/* How many bytes the input of the instance's first criterion must begin with, those of its value; 0 if any may come. */
static unsigned int literal_length(const struct ff_instance *in)
{
	const struct ff_criterion *c = in->criteria;
	unsigned int n = 0;

	if (in->ncriteria == 0)
		return 0;
	switch (c->op) {
	case FF_EQUALS:
	case FF_PREFIX:
		return c->len;
	case FF_GLOB:
		while (n < c->len && c->value[n] != '*' && c->value[n] != '?')
			n++;
	}
	return n;
}

static u8 bucket_of(const struct ff_instance *in, unsigned int field, unsigned int offset)
{
	if (literal_length(in) <= offset || in->criteria[0].field != field)
		return FF_NO_BUCKET;
	return in->criteria[0].value[offset] % FF_BUCKETS;
}

/* The field that most of the template's instances look at first. One that the sensor does not supply is none to go by. */
static u8 choose_field(const struct ff_content *c, unsigned int template_index)
{
	u16 looks[FF_INPUTS] = { 0 };
	unsigned int i;
	u8 best = 0;

	for (i = 0; i < c->ninstances; i++) {
		const struct ff_instance *in = &c->instances[i];

		if (in->template_index == template_index && literal_length(in) > 0 && in->criteria[0].field < FF_INPUTS)
			looks[in->criteria[0].field]++;
	}
	for (i = 1; i < FF_INPUTS; i++) {
		if (looks[i] > looks[best])
			best = (u8)i;
	}
	return best;
}

/* How many instances are looked at in all if each one's own event comes once. */
static u64 effort(const struct ff_content *c, unsigned int template_index, unsigned int field, unsigned int offset)
{
	u64 in_bucket[FF_BUCKETS] = { 0 }, in_any = 0, all = 0, sum = 0;
	unsigned int i;

	for (i = 0; i < c->ninstances; i++) {
		u8 bucket = bucket_of(&c->instances[i], field, offset);

		if (c->instances[i].template_index != template_index)
			continue;
		all++;
		if (bucket == FF_NO_BUCKET)
			in_any++;
		else
			in_bucket[bucket]++;
	}
	for (i = 0; i < FF_BUCKETS; i++)
		sum += in_bucket[i] * (in_bucket[i] + in_any);
	return sum + in_any * all;
}

static u8 choose_offset(const struct ff_content *c, unsigned int template_index, unsigned int field)
{
	u64 least = effort(c, template_index, field, 0);
	unsigned int offset;
	u8 best = 0;

	for (offset = 1; offset <= MAX_OFFSET; offset++) {
		u64 now = effort(c, template_index, field, offset);

		if (now < least) {
			least = now;
			best = (u8)offset;
		}
	}
	return best;
}

/* Whether the instance has criteria, all of them with EQUALS or PREFIX, a value that is not empty, and an input that sensors supply. */
static u8 is_plain(const struct ff_instance *in)
{
	unsigned int i;

	for (i = 0; i < in->ncriteria; i++) {
		const struct ff_criterion *c = &in->criteria[i];

		if ((c->op != FF_EQUALS && c->op != FF_PREFIX) || c->len == 0 || c->field >= FF_INPUTS)
			return 0;
	}
	return in->ncriteria > 0;
}

/* Links the template's instances, from the last to the first. */
static void fill_buckets(struct ff_content *c, unsigned int template_index)
{
	struct ff_template *t = &c->templates[template_index];
	u16 i, next = FF_END;
	unsigned int b;

	for (b = 0; b <= FF_SHORT; b++)
		t->first[b] = FF_END;
	for (i = c->ninstances; i-- > 0;) {
		struct ff_instance *in = &c->instances[i];

		if (in->template_index != template_index)
			continue;
		in->plain = is_plain(in);
		in->bucket = bucket_of(in, t->bucket_field, t->bucket_offset);
		in->next = next;
		in->next_in_bucket = in->bucket == FF_NO_BUCKET ? FF_END : t->first[in->bucket];
		next = i;
		for (b = 0; b <= FF_SHORT; b++) {
			if (in->bucket == b || in->bucket == FF_NO_BUCKET)
				t->first[b] = i;
		}
	}
}

void ff_index(struct ff_content *c)
{
	unsigned int i;

	for (i = 0; i < c->ntemplates; i++) {
		struct ff_template *t = &c->templates[i];

		t->bucket_field = choose_field(c, i);
		t->bucket_offset = choose_offset(c, i, t->bucket_field);
		fill_buckets(c, i);
	}
}
