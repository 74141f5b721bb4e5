/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The hybrid agent's daemon with its end of the device open as descriptor 4, where its own main opens the device. */
#include "hybrid.h"

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	agent_content_load(argv[1]);
	return hybrid_serve(4, argv[1]);
}
