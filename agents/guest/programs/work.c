// SPDX-License-Identifier: Apache-2.0
/*
 * One unit of the workload: a small, fixed amount of computation, about a millisecond on a current processor, so that
 * what is measured is mostly what it costs to execute a program.
 */
#include "start.h"

#define ROUNDS 200000u

int program(char **arguments)
{
	unsigned int x = 2463534242u, i;

	(void)arguments;
	for (i = 0; i < ROUNDS; i++) { /* xorshift32: Marsaglia, "Xorshift RNGs", 2003 */
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		__asm__ volatile("" : "+r"(x)); /* keep the loop */
	}
	return x == 0; /* never: xorshift does not reach 0 */
}
