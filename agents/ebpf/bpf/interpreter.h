/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The content interpreter as the verifier accepts it. The C interpreter (agents/interpreter) follows pointers and calls itself
 * as content says; here the daemon has turned content into steps (agents/ebpf/compile.go), each of which names the next by its
 * number, and one loop of a bounded number of turns takes them. Every access is to a map, at an index that is checked.
 *
 * A turn is a step that needs no look at an input, or a look at one byte of one.
 */
#ifndef FLEETFALL_EBPF_INTERPRETER_H
#define FLEETFALL_EBPF_INTERPRETER_H

#include "event.h"

#define MAX_TURNS 65536 /* for an event: what would need more does not match */

/* A pattern's units: a byte to be found, or one of these. Every operator of the format is such a pattern. */
#define MAX_PATTERN 258 /* a value of 256 bytes, and a run before and after it */
#define ANY_BYTE 256
#define ANY_RUN 257

enum step_kind {
	STEP_TEMPLATE, /* is the event of this template? */
	STEP_TEST,     /* does the input of this field match the pattern? An input that is not supplied does not */
	STEP_MATCH,    /* a rule has matched */
};

struct step {
	__u32 rule;            /* STEP_MATCH */
	__u16 template_id;     /* STEP_TEMPLATE */
	__u16 then, otherwise; /* the next step: after a yes (or a STEP_MATCH), after a no; behind the last one is the end */
	__u16 len;             /* STEP_TEST: units of pattern */
	__u8 kind, field, action, unused;
	__u16 pattern[MAX_PATTERN];
};

struct steps {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_RDONLY_PROG); /* as many steps as the content has */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct step));
};

/*
 * The loaded content, or nothing. The daemon puts in another map of steps; an event that has begun goes on with the one it
 * has found.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct steps);
} content SEC(".maps");

volatile __u64 cut; /* events that MAX_TURNS did not suffice for */

/* What a turn needs; lives on the stack of evaluate. */
struct evaluation {
	void *steps;
	struct event *event;
};

static __always_inline void go_on(struct event *e, __u32 step)
{
	e->step = step;
	e->input_at = 0;
	e->pattern_at = 0;
	e->starred = 0;
}

static __always_inline void note_match(struct event *e, const struct step *s)
{
	__u32 n = e->nmatches++;

	if (n < MAX_MATCHES) {
		e->matches[n].rule = s->rule;
		e->matches[n].action = s->action;
	}
	if (s->action == FF_BLOCK)
		e->block = 1;
}

/*
 * Looks at one byte: bounded_glob of the C interpreter, a turn of its loop at a time. On a mismatch the last run takes one
 * byte more.
 */
static __always_inline void test_byte(struct event *e, const struct step *s)
{
	__u32 field = s->field, at = e->pattern_at, len = s->len, unit;
	const struct input *in;

	if (field >= FF_INPUTS || field >= e->ninputs || len > MAX_PATTERN) {
		go_on(e, s->otherwise);
		return;
	}
	in = &e->inputs[field];
	if (at < MAX_PATTERN && at < len) {
		unit = s->pattern[at];
		if (unit == ANY_RUN) {
			e->pattern_at = e->retry_pattern = at + 1;
			e->retry_input = e->input_at;
			e->starred = 1;
			if (at + 1 == len) /* takes all the rest */
				go_on(e, s->then);
			return;
		}
		if (e->input_at < in->len &&
		    (unit == ANY_BYTE || unit == (__u8)e->text[(in->at + e->input_at) & (TEXT - 1)])) {
			e->pattern_at++;
			e->input_at++;
			return;
		}
	} else if (e->input_at == in->len) {
		go_on(e, s->then);
		return;
	}
	if (!e->starred || e->input_at >= in->len) {
		go_on(e, s->otherwise);
		return;
	}
	e->pattern_at = e->retry_pattern;
	e->input_at = ++e->retry_input;
}

/* Returns 1 when there are no more steps. */
static long turn(__u32 index, void *context)
{
	struct evaluation *v = context;
	struct event *e = v->event;
	const struct step *s = bpf_map_lookup_elem(v->steps, &e->step);

	if (!s)
		return 1;
	switch (s->kind) {
	case STEP_TEMPLATE:
		go_on(e, s->template_id == e->template_id ? s->then : s->otherwise);
		break;
	case STEP_MATCH:
		note_match(e, s);
		go_on(e, s->then);
		break;
	default:
		test_byte(e, s);
	}
	return 0;
}

/* Evaluates the loaded content over the event; without content nothing matches. */
static __always_inline void evaluate(struct event *e)
{
	struct evaluation v = { .event = e };
	__u32 only = 0;

	e->block = 0;
	e->nmatches = 0;
	v.steps = bpf_map_lookup_elem(&content, &only);
	if (!v.steps)
		return;
	go_on(e, 0);
	if (bpf_loop(MAX_TURNS, turn, &v, 0) == MAX_TURNS)
		__sync_fetch_and_add(&cut, 1);
}

#endif
