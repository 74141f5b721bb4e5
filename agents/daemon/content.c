// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "daemon.h"
#include "vendor_key.h"

struct loaded {
	u8 *file; /* what parsed points into */
	struct ff_content parsed;
};

static const u8 vendor_key[FF_KEY_SIZE] = FF_VENDOR_KEY;

static struct loaded *current_content;

static void free_loaded(struct loaded *l)
{
	if (!l)
		return;
	ff_unload(&l->parsed);
	free(l->file);
	free(l);
}

/* Reads at most capacity bytes of the file. Returns how many, or a negative error number. */
static ssize_t read_file(const char *path, u8 *to, size_t capacity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (size < capacity) {
		n = read(fd, to + size, capacity - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			n = -errno;
			close(fd);
			return n;
		}
		if (n == 0)
			break;
		size += n;
	}
	close(fd);
	return size;
}

static struct loaded *read_content(const char *path)
{
	struct loaded *l = calloc(1, sizeof(*l));
	enum ff_load_result result;
	ssize_t size;
	u8 *exact;

	if (!l || !(l->file = malloc(FF_MAX_FILE + 1))) { /* one byte more shows that a file is too long */
		agent_say("refused 0 no memory");
		free_loaded(l);
		return NULL;
	}
	size = read_file(path, l->file, FF_MAX_FILE + 1);
	if (size < 0) {
		agent_say("refused 0 cannot read %.256s: error %zd", path, size);
		free_loaded(l);
		return NULL;
	}
	exact = realloc(l->file, size ? size : 1);
	if (exact)
		l->file = exact;
	result = ff_load(&l->parsed, l->file, size, vendor_key, 0);
	if (result != FF_OK) {
		agent_say("refused %llu %s", (unsigned long long)ff_version(l->file, size), ff_refusal(result));
		free_loaded(l);
		return NULL;
	}
	return l;
}

void agent_content_load(const char *path)
{
	struct loaded *new = read_content(path);

	if (!new)
		return;
	free_loaded(current_content);
	current_content = new;
	agent_say("loaded %llu", (unsigned long long)new->parsed.version);
}

u64 agent_content_version(void)
{
	return current_content ? current_content->parsed.version : 0;
}

void agent_content_evaluate(const struct ff_event *e, struct ff_verdict *v)
{
	if (current_content)
		ff_evaluate(&current_content->parsed, e, v);
	else
		memset(v, 0, sizeof(*v));
}
