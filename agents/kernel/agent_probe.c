// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The hook: security_bprm_check, where the kernel asks its security modules whether a program may be executed. The
 * image is open and its first bytes are read by then, and nothing of the process has changed. A module cannot register
 * as a security module after boot, so the agent probes the function, as vendors' modules do; its return probe turns a
 * verdict into the error that a security module would have given.
 *
 * Both handlers run with preemption disabled: nothing in them sleeps.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/ptrace.h>
#include "agent.h"
#include "sensor.h"

/* Executions in flight between the hook's entry and return; more of them go unseen, as kprobes has it. */
#define MAX_ACTIVE 64

static struct sensing __percpu *sensing;

/* Returns 1 to let the execution go on without the return handler. */
static int before_check(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct linux_binprm *bprm = (void *)regs_get_kernel_argument(regs, 0);
	struct sensing *s = this_cpu_ptr(sensing);
	struct ff_verdict verdict;

	sensor_execution(s, bprm);
	agent_content_evaluate(&s->event, &verdict);
	agent_say_detections(&s->event, &verdict);
	if (verdict.inspect && !verdict.block)
		agent_inspect(&s->event.inputs[FF_IMAGE_PATH]);
	return verdict.block ? 0 : 1;
}
NOKPROBE_SYMBOL(before_check);

static int after_check(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (!regs_return_value(regs)) /* another refusal stands */
		regs_set_return_value(regs, -EACCES);
	return 0;
}
NOKPROBE_SYMBOL(after_check);

void agent_file_event(const struct ff_event *e)
{
	struct ff_verdict verdict;

	agent_content_evaluate(e, &verdict);
	agent_say_detections(e, &verdict);
}
NOKPROBE_SYMBOL(agent_file_event);

static struct kretprobe probe = {
	.kp.symbol_name = "security_bprm_check",
	.entry_handler = before_check,
	.handler = after_check,
	.maxactive = MAX_ACTIVE,
};

int agent_probe_register(void)
{
	int err;

	sensing = alloc_percpu(struct sensing);
	if (!sensing)
		return -ENOMEM;
	err = register_kretprobe(&probe);
	if (err) {
		pr_err("cannot probe %s: error %d\n", probe.kp.symbol_name, err);
		free_percpu(sensing);
	}
	return err;
}
