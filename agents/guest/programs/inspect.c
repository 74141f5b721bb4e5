// SPDX-License-Identifier: Apache-2.0
/*
 * The program with which an agent inspects an image before it lets it run: it ends with 0 if the image named by its
 * argument is harmless, and with 1 if it is not, or cannot be read.
 */
#include "start.h"

int program(char **arguments)
{
	static char head[4096];
	long size = read_file(open_file(arguments[1], READ_ONLY), head, sizeof(head));

	if (size < 0)
		return 1;
	return size >= 4 && head[0] == 'E' && head[1] == 'V' && head[2] == 'I' && head[3] == 'L';
}
