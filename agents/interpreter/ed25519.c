/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Ed25519 verification (RFC 8032). All that it handles is public, so it takes no care to run in constant time; it is
 * written to be short and to use little stack.
 */
#include "interpreter.h"
#include "sha512.h"

#define LIMB_BITS 51
#define LIMB_MASK (((u64)1 << LIMB_BITS) - 1)

/*
 * An element of the field of integers modulo p = 2^255 - 19: the sum of v[i] * 2^(51 i). Every function here takes and
 * gives limbs below 2^52, so that sums need no care and products fit into 128 bits.
 */
struct fe { u64 v[5]; };

/* A point (x/z, y/z) of the curve -x^2 + y^2 = 1 + d x^2 y^2, with t = xy/z: RFC 8032, 5.1.4. */
struct point { struct fe x, y, z, t; };

static const struct fe fe_one = {{ 1 }};
static const struct fe fe_d = /* -121665/121666 */
	{{ 0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff }};
static const struct fe fe_2d =
	{{ 0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff }};
static const struct fe fe_sqrt_m1 = /* 2^((p-1)/4) */
	{{ 0x61b274a0ea0b0, 0x0d5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d }};

static const struct point identity = { .y = {{ 1 }}, .z = {{ 1 }} };

/* B, the generator: RFC 8032, 5.1. */
static const struct point base = {
	.x = {{ 0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe, 0x216936d3cd6e5 }},
	.y = {{ 0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333, 0x6666666666666 }},
	.z = {{ 1 }},
	.t = {{ 0x68ab3a5b7dda3, 0x00eea2a5eadbb, 0x2af8df483c27e, 0x332b375274732, 0x67875f0fd78b7 }},
};

/* L, the order of B: 2^252 + 27742317777372353535851937790883648493. */
static const u64 order[4] = { 0x5812631a5cf5d3edull, 0x14def9dea2f79cd6ull, 0, 0x1000000000000000ull };

static u64 load_le64(const u8 *p)
{
	u64 x = 0;
	int i;

	for (i = 7; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

static void fe_carry(struct fe *r)
{
	u64 carry = 0;
	int i;

	for (i = 0; i < 5; i++) {
		r->v[i] += carry;
		carry = r->v[i] >> LIMB_BITS;
		r->v[i] &= LIMB_MASK;
	}
	r->v[0] += 19 * carry; /* 2^255 = 19 */
}

static void fe_add(struct fe *r, const struct fe *a, const struct fe *b)
{
	int i;

	for (i = 0; i < 5; i++)
		r->v[i] = a->v[i] + b->v[i];
	fe_carry(r);
}

static void fe_sub(struct fe *r, const struct fe *a, const struct fe *b)
{
	int i;

	/* 4p is added first, whose limbs exceed any of b. */
	for (i = 0; i < 5; i++)
		r->v[i] = a->v[i] + 4 * (LIMB_MASK - (i == 0 ? 18 : 0)) - b->v[i];
	fe_carry(r);
}

static void fe_mul(struct fe *r, const struct fe *a, const struct fe *b)
{
	unsigned __int128 t[5] = { 0 };
	u64 carry;
	int i, j;

	for (i = 0; i < 5; i++) {
		for (j = 0; j < 5 - i; j++)
			t[i + j] += (unsigned __int128)a->v[i] * b->v[j];
		for (; j < 5; j++)
			t[i + j - 5] += (unsigned __int128)a->v[i] * (19 * b->v[j]);
	}
	carry = 0;
	for (i = 0; i < 5; i++) {
		t[i] += carry;
		carry = (u64)(t[i] >> LIMB_BITS);
		r->v[i] = (u64)t[i] & LIMB_MASK;
	}
	/* The last carry is below 2^56, for no product in t[4] was multiplied by 19. */
	r->v[0] += 19 * carry;
	r->v[1] += r->v[0] >> LIMB_BITS;
	r->v[0] &= LIMB_MASK;
}

/* r = x^(2^bits - 1 - zeros): an exponent of that many ones, but for those in zeros. */
static void fe_power(struct fe *r, const struct fe *x, int bits, u32 zeros)
{
	struct fe base_x = *x;
	int i;

	*r = fe_one;
	for (i = bits - 1; i >= 0; i--) {
		fe_mul(r, r, r);
		if (i >= 32 || !(zeros >> i & 1))
			fe_mul(r, r, &base_x);
	}
}

/* The one encoding of a, less than p. */
static void fe_encode(u8 out[32], const struct fe *a)
{
	struct fe r = *a;
	u64 q = 19;
	int i;

	fe_carry(&r);
	/* q = 1 if r >= p, that is, if r + 19 reaches 2^255. */
	for (i = 0; i < 5; i++)
		q = (r.v[i] + q) >> LIMB_BITS;
	r.v[0] += 19 * q;
	for (i = 0; i < 4; i++) {
		r.v[i + 1] += r.v[i] >> LIMB_BITS;
		r.v[i] &= LIMB_MASK;
	}
	r.v[4] &= LIMB_MASK;
	for (i = 0; i < 32; i++) {
		int bit = 8 * i, limb = bit / LIMB_BITS, shift = bit % LIMB_BITS;
		u64 x = r.v[limb] >> shift;

		if (limb < 4)
			x |= r.v[limb + 1] << (LIMB_BITS - shift);
		out[i] = (u8)x;
	}
}

/* Ignores the topmost bit, as RFC 8032, 5.1.3 asks. */
static void fe_decode(struct fe *r, const u8 in[32])
{
	int i;

	r->v[0] = load_le64(in) & LIMB_MASK;
	for (i = 1; i < 5; i++) {
		int bit = LIMB_BITS * i;
		/* The last limb begins in byte 25: its 8 bytes would reach past the end. */
		int byte = i < 4 ? bit / 8 : 24;

		r->v[i] = load_le64(in + byte) >> (bit - 8 * byte) & LIMB_MASK;
	}
}

static int fe_equal(const struct fe *a, const struct fe *b)
{
	u8 x[32], y[32];

	fe_encode(x, a);
	fe_encode(y, b);
	return ff_memcmp(x, y, 32) == 0;
}

/* RFC 8032, 5.1.4; complete, so it serves for any two points. */
static void point_add(struct point *r, const struct point *p, const struct point *q)
{
	struct fe a, b, c, d, e;

	fe_sub(&a, &p->y, &p->x);
	fe_sub(&e, &q->y, &q->x);
	fe_mul(&a, &a, &e);
	fe_add(&b, &p->y, &p->x);
	fe_add(&e, &q->y, &q->x);
	fe_mul(&b, &b, &e);
	fe_mul(&c, &p->t, &fe_2d);
	fe_mul(&c, &c, &q->t);
	fe_mul(&d, &p->z, &q->z);
	fe_add(&d, &d, &d);
	fe_sub(&e, &b, &a); /* E */
	fe_add(&b, &b, &a); /* H */
	fe_sub(&a, &d, &c); /* F */
	fe_add(&d, &d, &c); /* G */
	fe_mul(&r->x, &e, &a);
	fe_mul(&r->y, &d, &b);
	fe_mul(&r->t, &e, &b);
	fe_mul(&r->z, &a, &d);
}

/* RFC 8032, 5.1.3: 0 unless in is the one encoding of a point of the curve. */
static int point_decode(struct point *r, const u8 in[32])
{
	struct fe u, v, w, check;
	u8 y[32];

	fe_decode(&r->y, in);
	fe_encode(y, &r->y);
	y[31] |= in[31] & 0x80;
	if (ff_memcmp(y, in, 32) != 0)
		return 0; /* y >= p */

	/* x^2 = u/v; the candidate for x is u v^3 (u v^7)^((p-5)/8). */
	fe_mul(&w, &r->y, &r->y);
	fe_sub(&u, &w, &fe_one);
	fe_mul(&v, &w, &fe_d);
	fe_add(&v, &v, &fe_one);
	fe_mul(&w, &v, &v);
	fe_mul(&w, &w, &v);
	fe_mul(&check, &w, &w);
	fe_mul(&check, &check, &v);
	fe_mul(&check, &check, &u);
	fe_power(&check, &check, 252, 1u << 1); /* (p-5)/8 = 2^252 - 3 */
	fe_mul(&w, &w, &u);
	fe_mul(&r->x, &w, &check);

	fe_mul(&check, &r->x, &r->x);
	fe_mul(&check, &check, &v);
	if (!fe_equal(&check, &u)) {
		struct fe minus_u, zero = {{ 0 }};

		fe_sub(&minus_u, &zero, &u);
		if (!fe_equal(&check, &minus_u))
			return 0; /* u/v has no root */
		fe_mul(&r->x, &r->x, &fe_sqrt_m1);
	}
	fe_encode(y, &r->x);
	if ((y[0] & 1) != in[31] >> 7) {
		struct fe zero = {{ 0 }};

		if (fe_equal(&r->x, &zero))
			return 0; /* -0 */
		fe_sub(&r->x, &zero, &r->x);
	}
	r->z = fe_one;
	fe_mul(&r->t, &r->x, &r->y);
	return 1;
}

static void point_encode(u8 out[32], const struct point *p)
{
	struct fe inverse, x, y;
	u8 sign[32];

	fe_power(&inverse, &p->z, 255, 1u << 4 | 1u << 2); /* z^(p-2) = z^(2^255 - 21) */
	fe_mul(&x, &p->x, &inverse);
	fe_mul(&y, &p->y, &inverse);
	fe_encode(sign, &x);
	fe_encode(out, &y);
	out[31] |= (u8)(sign[0] << 7);
}

/* Whether s is less than the group's order. */
static int scalar_reduced(const u64 s[4])
{
	int i;

	for (i = 3; i >= 0; i--) {
		if (s[i] != order[i])
			return s[i] < order[i];
	}
	return 0;
}

/* r = the hash, a little-endian number of 512 bits, modulo L: bit by bit, from the top. */
static void scalar_from_hash(u64 r[4], const u8 hash[FF_SHA512_SIZE])
{
	int bit, i;

	ff_memset(r, 0, 4 * sizeof(r[0]));
	for (bit = 511; bit >= 0; bit--) {
		for (i = 3; i > 0; i--)
			r[i] = r[i] << 1 | r[i - 1] >> 63;
		r[0] = r[0] << 1 | (hash[bit / 8] >> bit % 8 & 1);
		if (!scalar_reduced(r)) {
			u64 borrow = 0;

			for (i = 0; i < 4; i++) {
				u64 a = r[i], b = order[i];

				r[i] = a - b - borrow;
				borrow = a < b || (a == b && borrow);
			}
		}
	}
}

/* out = the encoding of s B + h A, for scalars less than L: both at once, from the top bit. */
static void double_multiply(u8 out[32], const u64 s[4], const u64 h[4], const struct point *a)
{
	struct point sum = identity, a_plus_base;
	const struct point *terms[4];
	int bit;

	point_add(&a_plus_base, a, &base);
	terms[0] = &identity;
	terms[1] = &base;
	terms[2] = a;
	terms[3] = &a_plus_base;
	for (bit = 252; bit >= 0; bit--) {
		unsigned int which = (s[bit / 64] >> bit % 64 & 1) | (h[bit / 64] >> bit % 64 & 1) << 1;

		point_add(&sum, &sum, &sum);
		if (which)
			point_add(&sum, &sum, terms[which]);
	}
	point_encode(out, &sum);
}

/* RFC 8032, 5.1.7, without the cofactor: R must be the encoding of S B - h A, so there is one R for each S. */
int ff_ed25519_verify(const u8 signature[FF_SIGNATURE_SIZE], const u8 *message, size_t len, const u8 key[FF_KEY_SIZE])
{
	struct ff_sha512 hash;
	struct point a;
	struct fe zero = {{ 0 }};
	u8 digest[FF_SHA512_SIZE], r[32];
	u64 s[4], h[4];
	int i;

	for (i = 0; i < 4; i++)
		s[i] = load_le64(signature + 32 + 8 * i);
	if (!scalar_reduced(s))
		return 0;
	if (!point_decode(&a, key))
		return 0;
	fe_sub(&a.x, &zero, &a.x);
	fe_sub(&a.t, &zero, &a.t);

	ff_sha512_init(&hash);
	ff_sha512_update(&hash, signature, 32);
	ff_sha512_update(&hash, key, FF_KEY_SIZE);
	ff_sha512_update(&hash, message, len);
	ff_sha512_final(&hash, digest);
	scalar_from_hash(h, digest);

	double_multiply(r, s, h, &a);
	return ff_memcmp(r, signature, 32) == 0;
}
