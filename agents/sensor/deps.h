/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the interpreter needs from outside, inside the kernel. */
#ifndef FLEETFALL_DEPS_H
#define FLEETFALL_DEPS_H

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

typedef s64 i64;

#define ff_memcmp(a, b, n) memcmp(a, b, n)
#define ff_memcpy(to, from, n) memcpy(to, from, n)
#define ff_memset(to, byte, n) memset(to, byte, n)
#define ff_grow(p, old, new) kvrealloc(p, old, new, GFP_KERNEL)
#define ff_free(p) kvfree(p)

#endif
