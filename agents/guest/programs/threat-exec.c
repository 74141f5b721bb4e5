// SPDX-License-Identifier: Apache-2.0
/* A synthetic threat that the shipped content blocks by its name. It does nothing. */
#include "start.h"

int program(char **arguments)
{
	(void)arguments;
	return 0;
}
