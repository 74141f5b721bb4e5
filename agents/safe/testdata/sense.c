// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Prints the inputs that agents/user senses, one a line in hexadecimal: "sense IMAGE PID", or "sense OPERATION NAME NEW-NAME PID". */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include "agent.h"

int main(int argc, char **argv)
{
	static struct agent_sensing s;
	unsigned int i;
	size_t n;

	if (argc == 3)
		agent_sense(&s, open(argv[1], O_RDONLY), atoi(argv[2]));
	else if (argc == 5)
		agent_sense_file(&s, argv[1], argv[2], argv[3], atoi(argv[4]));
	else
		return 2;
	for (i = 0; i < FF_INPUTS; i++) {
		for (n = 0; n < s.event.inputs[i].len; n++)
			printf("%02x", (unsigned char)s.event.inputs[i].data[n]);
		putchar('\n');
	}
	return 0;
}
