/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the interpreter needs from outside, in user space: for tests, and a model for an architecture's own. */
#ifndef FLEETFALL_DEPS_H
#define FLEETFALL_DEPS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define ff_memcmp __builtin_memcmp
#define ff_memcpy __builtin_memcpy
#define ff_memset __builtin_memset
#define ff_grow(p, old, new) ((void)(old), realloc(p, new))
#define ff_free(p) free(p)

#endif
