// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include "agent.h"

#ifndef AGENT_INSPECTOR
#define AGENT_INSPECTOR "/opt/fleetfall/inspect"
#endif

int agent_inspect(const char *path)
{
	char *argv[] = { AGENT_INSPECTOR, (char *)path, NULL }, *envp[] = { NULL };
	int err, status;
	pid_t pid;

	err = posix_spawn(&pid, AGENT_INSPECTOR, NULL, NULL, argv, envp);
	if (err) {
		fprintf(stderr, "agent: %s: %s\n", AGENT_INSPECTOR, strerror(err));
		return 1;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			perror("agent: waiting for the inspector");
			return 1;
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
