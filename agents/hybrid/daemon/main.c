// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The hybrid agent's daemon: it evaluates what the module in the kernel (agents/hybrid/module) sees and asks about. When
 * it ends, whatever the reason, its end of the device closes and every execution that waits for its answer goes on.
 *
 *	hybrid CONTENT-FILE
 *
 * Build, from the C files of this folder, of agents/daemon and of agents/interpreter, with the image's vendor_key.h in KEY:
 *
 *	gcc -O2 -static -I KEY -I agents/hybrid/daemon -I agents/hybrid -I agents/daemon -I agents/interpreter -o hybrid SOURCES
 */
#include <fcntl.h>
#include <stdio.h>
#include "device.h"
#include "hybrid.h"

int main(int argc, char **argv)
{
	int sensor;

	if (argc != 2) {
		fprintf(stderr, "usage: hybrid CONTENT-FILE\n");
		return 2;
	}
	agent_content_load(argv[1]);
	sensor = open("/dev/" SENSOR_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (sensor < 0) {
		perror("agent: /dev/" SENSOR_DEVICE);
		return EXIT_FAILURE;
	}
	agent_say("ready %llu", (unsigned long long)agent_content_version());
	return hybrid_serve(sensor, argv[1]);
}
