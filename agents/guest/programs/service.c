// SPDX-License-Identifier: Apache-2.0
/* A program that every boot runs, as any system runs programs before its network is up. */
#include "start.h"

int program(char **arguments)
{
	(void)arguments;
	return 0;
}
