// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include "sensor.h"

static atomic64_t sequence;

void sensor_begin(struct sensing *s, u16 template_id, u32 ninputs)
{
	s->used = 0;
	s->event.template_id = template_id;
	s->event.ninputs = ninputs;
	s->event.pid = task_tgid_nr(current);
	s->event.when_ns = ktime_get_ns();
	s->event.sequence = atomic64_inc_return(&sequence);
}

void sensor_put(struct sensing *s, unsigned int field, const char *format, ...)
{
	char *at = s->text + s->used;
	va_list args;

	va_start(args, format);
	s->event.inputs[field].data = at;
	s->event.inputs[field].len = vscnprintf(at, sizeof(s->text) - s->used, format, args);
	va_end(args);
	s->used += s->event.inputs[field].len;
}

void sensor_put_slice(struct sensing *s, unsigned int field, const char *data, size_t len)
{
	s->event.inputs[field].data = data;
	s->event.inputs[field].len = len;
}
