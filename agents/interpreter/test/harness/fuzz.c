/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A libFuzzer target for ff_load and ff_evaluate. The input is a channel file; the event is of the file's first template, and
 * its inputs are pieces of the same bytes. FF_CHECKS in the environment is the checks that the interpreter makes; all of
 * them when it is not set. It is linked without ed25519.c: what a fuzzer makes is never signed, so here everybody is the
 * vendor.
 */
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size); /* libFuzzer's own */

static u32 checks = FF_CHECK_ALL;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *given = getenv("FF_CHECKS");

	(void)argc, (void)argv;
	if (given)
		checks = (u32)strtoul(given, NULL, 0);
	return 0;
}

#define HEADER_SIZE 20u

#define MOST 1024u /* criteria that are looked at */

static size_t get_u16(const u8 *p)
{
	return (size_t)(p[0] | p[1] << 8);
}

/* Finds the criteria of a file, as far as it is one, and returns how many there are. */
static unsigned int find_criteria(const u8 *data, size_t end, size_t found[MOST])
{
	size_t at = HEADER_SIZE, count, i, fields, j;
	unsigned int n = 0;

	if (at + 2 > end)
		return 0;
	count = get_u16(data + at);
	at += 2;
	for (i = 0; i < count; i++) { /* templates: id, name, names of fields */
		at += 2;
		if (at >= end)
			return 0;
		at += 1u + data[at];
		if (at >= end)
			return 0;
		fields = data[at++];
		for (j = 0; j < fields; j++) {
			if (at >= end)
				return 0;
			at += 1u + data[at];
		}
	}
	if (at + 2 > end)
		return 0;
	count = get_u16(data + at);
	at += 2;
	for (i = 0; i < count; i++) { /* instances: id, template and action, name, criteria */
		at += 7;
		if (at >= end)
			return n;
		at += 1u + data[at];
		if (at >= end)
			return n;
		fields = data[at++];
		for (j = 0; j < fields && n < MOST; j++) {
			if (at + 3 > end || at + 3 + get_u16(data + at + 1) > end)
				return n;
			found[n++] = at;
			at += 3 + get_u16(data + at + 1);
		}
	}
	return n;
}

/*
 * Puts a copy of one criterion in the place of another, whichever: what a vendor's editor of rules does, and a change of bytes hardly
 * ever comes to. Returns the new size, 0 when the file has none that can be.
 */
static size_t splice(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	static size_t found[MOST];
	static u8 copy[3 + 0xffff];
	size_t end = size - FF_SIGNATURE_SIZE, from, to, has, was;
	unsigned int n = find_criteria(data, end, found);

	if (n < 2)
		return 0;
	from = found[seed % n];
	to = found[seed / n % n];
	has = 3 + get_u16(data + from + 1);
	was = 3 + get_u16(data + to + 1);
	if (size - was + has > max_size)
		return 0;
	memcpy(copy, data + from, has);
	memmove(data + to + has, data + to + was, size - to - was);
	memcpy(data + to, copy, has);
	return size - was + has;
}

/*
 * Mutates the bytes, or now and then the rules that they are, and, but for once in a while, makes the header agree with them, as every
 * vendor's build does.
 */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	static const u8 head[8] = "FFCH\1\0\0";
	size_t spliced = 0;
	u32 payload, i;

	if (seed % 4 == 1 && size >= HEADER_SIZE + FF_SIGNATURE_SIZE)
		spliced = splice(data, size, max_size, seed / 16);
	size = spliced ? spliced : LLVMFuzzerMutate(data, size, max_size);
	if (size < HEADER_SIZE + FF_SIGNATURE_SIZE || seed % 16 == 0)
		return size;
	memcpy(data, head, sizeof(head));
	payload = (u32)(size - HEADER_SIZE - FF_SIGNATURE_SIZE);
	for (i = 0; i < 4; i++)
		data[16 + i] = (u8)(payload >> 8 * i);
	return size;
}

int ff_ed25519_verify(const u8 signature[FF_SIGNATURE_SIZE], const u8 *message, size_t len, const u8 key[FF_KEY_SIZE])
{
	(void)signature, (void)message, (void)len, (void)key;
	return 1;
}

/* Fills in the event's inputs, each with an allocation of its own size. */
static void sense(struct ff_event *e, const u8 *data, size_t size)
{
	unsigned int i;

	memset(e, 0, sizeof(*e));
	e->ninputs = FF_INPUTS;
	e->when_ns = 4300000000u; /* some seconds after boot, and the first event */
	e->sequence = 1;
	for (i = 0; i < FF_INPUTS; i++) {
		size_t at = size * i / FF_INPUTS, len = data[at] % 16;
		char *copy;

		if (len > size - at)
			len = size - at;
		copy = malloc(len);
		if (len > 0 && !copy)
			abort();
		memcpy(copy, data + at, len);
		e->inputs[i].data = copy;
		e->inputs[i].len = len;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 key[FF_KEY_SIZE];
	struct ff_content c;
	struct ff_event e;
	struct ff_verdict v;
	unsigned int i;

	if (ff_load(&c, data, size, key, checks) != FF_OK)
		return 0;
	if (c.ntemplates > 0) {
		sense(&e, data, size);
		e.template_id = c.templates[0].id;
		ff_evaluate(&c, &e, &v);
		if (v.nmatches > c.ninstances || v.block > 1 || v.inspect > 1 || (v.block + v.inspect > 0 && v.nmatches == 0))
			abort();
		for (i = 0; i < FF_INPUTS; i++)
			free((char *)e.inputs[i].data);
	}
	ff_unload(&c);
	return 0;
}
