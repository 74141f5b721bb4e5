// SPDX-License-Identifier: Apache-2.0
/* A synthetic threat that the shipped content reports by its name. It has ended before a scan of the processes would find it. */
#include "start.h"

int program(char **arguments)
{
	(void)arguments;
	return 0;
}
