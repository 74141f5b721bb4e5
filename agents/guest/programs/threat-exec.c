// SPDX-License-Identifier: Apache-2.0
/* A synthetic threat that the shipped content blocks by its name. It does nothing. */
#include "start.h"

void _start(void)
{
	finish(0);
}
