/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* One statement for each rule, in the order of the file, as somebody writes them down who has these and no others. */
#include <string.h>

#include "byhand.h"

static int equals(const struct ff_value *input, const char *text)
{
	return input->len == strlen(text) && memcmp(input->data, text, input->len) == 0;
}

static int has_prefix(const struct ff_value *input, const char *text)
{
	return input->len >= strlen(text) && memcmp(input->data, text, strlen(text)) == 0;
}

static void report(struct ff_verdict *v, u32 id, u8 action)
{
	if (v->nmatches < FF_MAX_MATCHES) {
		v->matches[v->nmatches].id = id;
		v->matches[v->nmatches].action = action;
	}
	v->nmatches++;
	if (action == FF_BLOCK)
		v->block = 1;
}

static void execution(const struct ff_value *inputs, struct ff_verdict *v)
{
	if (has_prefix(&inputs[FF_IMAGE_NAME], "threat-exec"))
		report(v, 1, FF_BLOCK);
	if (has_prefix(&inputs[FF_IMAGE_NAME], "threat-mark"))
		report(v, 2, FF_DETECT);
	if (has_prefix(&inputs[FF_IMAGE_NAME], "threat-short"))
		report(v, 3, FF_DETECT);
	if (has_prefix(&inputs[FF_IMAGE_NAME], "threat-script"))
		report(v, 4, FF_DETECT);
}

static void file(const struct ff_value *inputs, struct ff_verdict *v)
{
	if (equals(&inputs[FF_OPERATION], "write") && has_prefix(&inputs[FF_NAME], "threat-write"))
		report(v, 9, FF_DETECT);
	if (equals(&inputs[FF_OPERATION], "mmap_write") && has_prefix(&inputs[FF_NAME], "threat-mmap"))
		report(v, 5, FF_DETECT);
	if (equals(&inputs[FF_OPERATION], "module_load"))
		report(v, 6, FF_DETECT);
	if (equals(&inputs[FF_OPERATION], "rename") && equals(&inputs[FF_NEW_NAME], "system.conf"))
		report(v, 7, FF_DETECT);
	if (equals(&inputs[FF_OPERATION], "unlink") && has_prefix(&inputs[FF_NAME], "agent-state"))
		report(v, 8, FF_DETECT);
}

void evaluate_by_hand(const struct ff_event *e, struct ff_verdict *v)
{
	v->block = 0;
	v->inspect = 0;
	v->nmatches = 0;
	if (e->template_id == FF_PROCESS)
		execution(e->inputs, v);
	if (e->template_id == FF_FILE)
		file(e->inputs, v);
}
