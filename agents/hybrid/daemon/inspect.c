// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The daemon's only thread waits for the inspector here. The inspector's own execution is an event as every other, with a
 * verdict that this thread is to give: so it begins when the module's deadline has passed, as does whatever else is executed
 * meanwhile.
 */
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hybrid.h"

#ifndef INSPECTOR
#define INSPECTOR "/opt/fleetfall/inspect"
#endif

int hybrid_inspect(const struct ff_value *image, int sensor)
{
	char path[PATH_MAX];
	int status;
	pid_t child;

	if (image->len >= sizeof(path))
		return 1;
	memcpy(path, image->data, image->len);
	path[image->len] = '\0';
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		char *argv[] = { INSPECTOR, path, NULL }, *no_environment[] = { NULL };

		close(sensor);
		close(AGENT_SOCKET);
		execve(INSPECTOR, argv, no_environment);
		_exit(EXIT_SUCCESS); /* without an inspector nothing speaks against the image */
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return 1;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}
