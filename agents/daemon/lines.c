// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include "daemon.h"

/*
 * One packet a line. Waiting for room is not an option: the reader may be the process whose execution waits for this
 * agent's answer.
 */
static void send_line(char *line, size_t len)
{
	line[len++] = '\n';
	while (send(AGENT_SOCKET, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void agent_say(const char *format, ...)
{
	char line[AGENT_LINE];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	send_line(line, len);
}

void agent_say_detection(u32 rule, int refused, u32 pid, const struct ff_value *what)
{
	char line[AGENT_LINE];
	size_t len = snprintf(line, sizeof(line), "detect %u %s %u ", rule, refused ? "block" : "detect", pid);

	send_line(line, ff_append(line, len, sizeof(line), what));
}

int agent_hear(char line[AGENT_LINE])
{
	ssize_t len = recv(AGENT_SOCKET, line, AGENT_LINE - 1, MSG_DONTWAIT);

	if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
		return 0;
	if (len < 0)
		len = 0;
	if (len > 0 && line[len - 1] == '\n')
		len--;
	line[len] = '\0';
	return 1;
}
