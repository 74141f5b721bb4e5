// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The hook: security_bprm_check, as in the kernel agent. There a probe evaluates; here a process is to wait, and a probe
 * runs where nothing may sleep. So the function is replaced, by the means of a live patch: the tracer that every function
 * of the kernel calls first returns into ours instead, which runs in the process's own context, and calls the original.
 *
 * This file must not be compiled with tail calls (Kbuild): the original would seem to be called by the kernel, and not by us.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/binfmts.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include "hybrid.h"
#include "sensor.h"

#define HOOKED "security_bprm_check"

static int (*original)(struct linux_binprm *bprm);

/* 0 to let the execution go on, or -EACCES. */
static int ask(struct linux_binprm *bprm)
{
	struct sensing *s;
	int verdict;

	if (!queue_wants_current())
		return 0;
	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return 0;
	sensor_execution(s, bprm);
	verdict = queue_ask(&s->event);
	kfree(s);
	return verdict;
}

static int check(struct linux_binprm *bprm)
{
	int err = ask(bprm);

	if (!err)
		err = original(bprm);
	return err;
}

static void notrace redirect(unsigned long ip, unsigned long caller, struct ftrace_ops *ops, struct ftrace_regs *regs)
{
	if (!within_module(caller, THIS_MODULE))
		ftrace_instruction_pointer_set(regs, (unsigned long)check);
}

static struct ftrace_ops redirection = {
	.func = redirect,
	/* PERMANENT: who switches the kernel's tracing off does not switch the agent off with it, and is told that he cannot. */
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_PERMANENT,
};

/* The function's address, which is exported to nobody: a probe is told where it sits. */
static void *find(const char *symbol)
{
	struct kprobe probe = { .symbol_name = symbol };
	int err = register_kprobe(&probe);

	if (err)
		return ERR_PTR(err);
	unregister_kprobe(&probe);
	return probe.addr;
}

int hook_install(void)
{
	int err;

	original = find(HOOKED);
	if (IS_ERR(original)) {
		pr_err("cannot find %s: error %ld\n", HOOKED, PTR_ERR(original));
		return PTR_ERR(original);
	}
	err = ftrace_set_filter_ip(&redirection, (unsigned long)original, 0, 0);
	if (!err)
		err = register_ftrace_function(&redirection);
	if (err)
		pr_err("cannot replace %s: error %d\n", HOOKED, err);
	return err;
}
