/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A libFuzzer target for ff_load and ff_evaluate. The input is a channel file; the event's inputs are pieces of the
 * same bytes. It is linked without ed25519.c: what a fuzzer makes is never signed, so here everybody is the vendor.
 */
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int ff_ed25519_verify(const u8 signature[FF_SIGNATURE_SIZE], const u8 *message, size_t len, const u8 key[FF_KEY_SIZE])
{
	(void)signature, (void)message, (void)len, (void)key;
	return 1;
}

/* Whether the sensor supplies all that the content asks for: what happens else is known, and not what is looked for. */
static int within_inputs(const struct ff_content *c)
{
	unsigned int i;

	for (i = 0; i < c->ntemplates; i++) {
		if (c->templates[i].field_count > FF_INPUTS)
			return 0;
	}
	return 1;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 key[FF_KEY_SIZE];
	struct ff_content *c = malloc(sizeof(*c));
	char *copies[FF_INPUTS];
	struct ff_event e;
	struct ff_verdict v;
	unsigned int i;

	if (!c)
		abort();
	memset(&e, 0, sizeof(e));
	e.ninputs = FF_INPUTS;
	if (ff_load(c, data, size, key) == FF_OK && within_inputs(c)) {
		for (i = 0; i < FF_INPUTS; i++) {
			size_t at = size * i / FF_INPUTS, len = data[at] % 16;

			if (len > size - at)
				len = size - at;
			copies[i] = malloc(len); /* each in an allocation of its own size */
			if (len > 0 && !copies[i])
				abort();
			memcpy(copies[i], data + at, len);
			e.inputs[i].data = copies[i];
			e.inputs[i].len = len;
		}
		ff_evaluate(c, &e, &v);
		if (v.nmatches > c->ninstances || v.block > 1 || (v.block && v.nmatches == 0))
			abort();
		for (i = 0; i < FF_INPUTS; i++)
			free(copies[i]);
	}
	free(c);
	return 0;
}
