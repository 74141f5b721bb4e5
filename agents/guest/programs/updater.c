// SPDX-License-Identifier: Apache-2.0
/*
 * The updater's program: it writes the version of the channel file named by its argument to its output, the 8 bytes as
 * they are in the header (agents/content/doc.go), and ends with 0; with 1 and without output when there is no such file. The
 * file's format is not its business: what the agent makes of it, the agent says.
 */
#include "start.h"

struct header {
	char magic[4];
	unsigned short format, flags;
	unsigned char version[8];
	unsigned int payload_len;
} __attribute__((packed));

int program(char **arguments)
{
	struct header h;
	long size = read_file(open_file(arguments[1], READ_ONLY), &h, sizeof(h));

	if (size != sizeof(h) || h.magic[0] != 'F' || h.magic[1] != 'F' || h.magic[2] != 'C' || h.magic[3] != 'H')
		return 1;
	return write_file(1, h.version, sizeof(h.version)) != sizeof(h.version);
}
