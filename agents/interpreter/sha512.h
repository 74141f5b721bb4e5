/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* SHA-512 (FIPS 180-4), for the Ed25519 verification alone. */
#ifndef FLEETFALL_SHA512_H
#define FLEETFALL_SHA512_H

#include "deps.h"

#define FF_SHA512_SIZE 64u
#define FF_SHA512_BLOCK 128u

struct ff_sha512 {
	u64 state[8];
	u64 size;                   /* bytes hashed so far */
	u8 block[FF_SHA512_BLOCK];  /* its first size % FF_SHA512_BLOCK bytes wait for the rest */
};

void ff_sha512_init(struct ff_sha512 *h);
void ff_sha512_update(struct ff_sha512 *h, const u8 *data, size_t len);
void ff_sha512_final(struct ff_sha512 *h, u8 digest[FF_SHA512_SIZE]);

#endif
