// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The interpreter alone, as a program that bpf(2) runs on request: programs for security hooks it does not run. */
#include "../bpf/interpreter.h"

/* Evaluates the first of the events. */
SEC("socket")
int evaluate_event(struct __sk_buff *unused)
{
	__u32 first = 0;
	struct event *e = bpf_map_lookup_elem(&events, &first);

	if (!e)
		return 1;
	evaluate(e);
	return 0;
}

char agent_license[] SEC("license") = "GPL";
