// SPDX-License-Identifier: Apache-2.0
/*
 * An interpreter: it reads the script named by its argument and obeys it. Its language has one statement: the first
 * digit is the exit status, 0 if there is none.
 */
#include "start.h"

int program(char **arguments)
{
	static char script[4096];
	long file = open_file(arguments[1], READ_ONLY);
	long size = read_file(file, script, sizeof(script)), i;

	if (size < 0)
		return 127; /* as shells say that there is no such thing */
	for (i = 0; i < size; i++) {
		if (script[i] >= '0' && script[i] <= '9')
			return script[i] - '0';
	}
	return 0;
}
