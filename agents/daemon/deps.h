/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the interpreter needs from outside, in a user-mode daemon. */
#ifndef FLEETFALL_DEPS_H
#define FLEETFALL_DEPS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define ff_memcmp(a, b, n) memcmp(a, b, n)
#define ff_memcpy(to, from, n) memcpy(to, from, n)
#define ff_memset(to, byte, n) memset(to, byte, n)
#define ff_grow(p, old, new) ((void)(old), realloc(p, new))
#define ff_free(p) free(p)

#endif
