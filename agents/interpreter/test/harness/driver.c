/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Lets a test drive the interpreter: one command a line on standard input, one line of answer each on standard output.
 * Bytes are in hexadecimal, "-" for none.
 *
 *	key K               the vendor's public key for load
 *	checks N            that load is to make, of enum ff_check; none to begin with
 *	load FILE           "refused CODE WORDS", or "ok" and the content as loaded
 *	version FILE        that the file claims
 *	input FIELD VALUE   sets an input of the event; "ok"
 *	clock NS SEQUENCE   sets the event's when_ns and sequence; "ok"
 *	evaluate TEMPLATE   an event of this template: "BLOCK NMATCHES ID:ACTION...", and "inspect" if the verdict says so
 *	verify SIG MSG KEY  "1" or "0"
 *	sha512 MSG          the digest
 *
 * Every file, message and input is in an allocation of its own size, and what lies in the event where the 21st input would
 * be is poisoned while the interpreter evaluates it, so that a build with AddressSanitizer sees each read that goes astray.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interpreter.h"
#include "sha512.h"

#ifdef __SANITIZE_ADDRESS__
#define HAVE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct bytes {
	u8 *data;
	size_t len;
};

/* What the commands act on. */
struct session {
	u8 key[FF_KEY_SIZE];
	u32 checks;
	struct bytes file; /* which content points into */
	struct ff_content content;
	struct ff_event event;
};

static void die(const char *why, const char *what)
{
	fprintf(stderr, "driver: %s: %s\n", why, what);
	exit(2);
}

static const char *next_word(void)
{
	const char *word = strtok(NULL, " \n");

	if (!word)
		die("an argument is missing", "bytes are in hexadecimal, - for none");
	return word;
}

static u64 next_number(void)
{
	return strtoull(next_word(), NULL, 0);
}

static unsigned int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c) : NULL;

	if (!p)
		die("not a digit in lower-case hexadecimal", (char[]){ c, 0 });
	return (unsigned int)(p - digits);
}

/* The next word as bytes, for the caller to free. */
static struct bytes next_bytes(void)
{
	const char *hex = next_word();
	struct bytes b = { NULL, 0 };
	size_t i;

	if (strcmp(hex, "-") != 0)
		b.len = (strlen(hex) + 1) / 2;
	b.data = malloc(b.len);
	if (b.len > 0 && !b.data)
		die("malloc", strerror(errno));
	for (i = 0; i < b.len; i++)
		b.data[i] = (u8)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return b;
}

static struct bytes next_bytes_of(size_t len)
{
	struct bytes b = next_bytes();

	if (b.len != len)
		die("wrong length", "a key has 32 bytes, a signature 64");
	return b;
}

static void print_hex(const u8 *data, size_t len)
{
	size_t i;

	if (len == 0)
		putchar('-');
	for (i = 0; i < len; i++)
		printf("%02x", data[i]);
}

static void print_content(const struct ff_content *c)
{
	static const struct ff_criterion any;
	unsigned int i, n, field;

	printf("ok version=%llu templates=", (unsigned long long)c->version);
	for (i = 0; i < c->ntemplates; i++)
		printf("%u/%u,", c->templates[i].id, c->templates[i].field_count);
	for (i = 0; i < c->ninstances; i++) {
		const struct ff_instance *in = &c->instances[i];

		printf(" %u/%u/%u/", in->id, c->templates[in->template_index].id, in->action);
		print_hex(in->name, in->name_len);
		for (n = field = 0; field < c->templates[in->template_index].field_count; field++) {
			int wildcard = n == in->ncriteria || in->criteria[n].field != field;
			const struct ff_criterion *criterion = wildcard ? &any : &in->criteria[n++];

			printf(",%u:", criterion->op);
			print_hex(criterion->value, criterion->len);
		}
	}
	putchar('\n');
}

static void set_key(struct session *s)
{
	struct bytes key = next_bytes_of(FF_KEY_SIZE);

	memcpy(s->key, key.data, key.len);
	free(key.data);
	puts("ok");
}

static void set_checks(struct session *s)
{
	s->checks = (u32)next_number();
	puts("ok");
}

static void load(struct session *s)
{
	enum ff_load_result result;

	ff_unload(&s->content);
	free(s->file.data);
	s->file = next_bytes();
	memset(&s->content, 0xa5, sizeof(s->content)); /* ff_load must not rely on what was there */
	result = ff_load(&s->content, s->file.data, s->file.len, s->key, s->checks);
	if (result == FF_OK) {
		print_content(&s->content);
	} else {
		memset(&s->content, 0, sizeof(s->content));
		printf("refused %d %s\n", result, ff_refusal(result));
	}
}

static void version(struct session *s)
{
	struct bytes file = next_bytes();

	(void)s;
	printf("%llu\n", (unsigned long long)ff_version(file.data, file.len));
	free(file.data);
}

static void set_input(struct session *s)
{
	u64 field = next_number();
	struct bytes value = next_bytes();

	if (field >= FF_INPUTS)
		die("no such input", "");
	free((void *)s->event.inputs[field].data);
	s->event.inputs[field].data = (const char *)value.data;
	s->event.inputs[field].len = value.len;
	puts("ok");
}

static void set_clock(struct session *s)
{
	s->event.when_ns = next_number();
	s->event.sequence = next_number();
	puts("ok");
}

static void evaluate(struct session *s)
{
	struct ff_verdict v;
	u32 i;

	s->event.template_id = (u16)next_number();
	memset(&v, 0xa5, sizeof(v));
	ASAN_POISON_MEMORY_REGION(&s->event.when_ns, sizeof(struct ff_value));
	ff_evaluate(&s->content, &s->event, &v);
	ASAN_UNPOISON_MEMORY_REGION(&s->event.when_ns, sizeof(struct ff_value));
	printf("%u %u", v.block, v.nmatches);
	for (i = 0; i < v.nmatches && i < FF_MAX_MATCHES; i++)
		printf(" %u:%u", v.matches[i].id, v.matches[i].action);
	puts(v.inspect ? " inspect" : "");
}

static void verify(struct session *s)
{
	struct bytes signature = next_bytes_of(FF_SIGNATURE_SIZE);
	struct bytes message = next_bytes();
	struct bytes key = next_bytes_of(FF_KEY_SIZE);

	(void)s;
	printf("%d\n", ff_ed25519_verify(signature.data, message.data, message.len, key.data));
	free(signature.data);
	free(message.data);
	free(key.data);
}

static void sha512(struct session *s)
{
	struct bytes message = next_bytes();
	size_t first = message.len / 3; /* in two parts, so that they meet inside a block */
	u8 digest[FF_SHA512_SIZE];
	struct ff_sha512 h;

	(void)s;
	ff_sha512_init(&h);
	ff_sha512_update(&h, message.data, first);
	ff_sha512_update(&h, message.data + first, message.len - first);
	ff_sha512_final(&h, digest);
	print_hex(digest, sizeof(digest));
	putchar('\n');
	free(message.data);
}

static const struct {
	const char *name;
	void (*run)(struct session *s);
} commands[] = {
	{ "key", set_key }, { "checks", set_checks }, { "load", load }, { "version", version }, { "input", set_input }, { "clock", set_clock },
	{ "evaluate", evaluate }, { "verify", verify }, { "sha512", sha512 },
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Ends a command that hangs, and a driver whose test is gone. */
#define SECONDS_A_COMMAND 100

int main(void)
{
	struct session *s = calloc(1, sizeof(*s));
	char *line = NULL;
	size_t size = 0, i;

	if (!s)
		die("calloc", strerror(errno));
	s->event.ninputs = FF_INPUTS;
	alarm(SECONDS_A_COMMAND);
	while (getline(&line, &size, stdin) > 0) {
		const char *name = strtok(line, " \n");

		for (i = 0; i < NCOMMANDS && name && strcmp(name, commands[i].name) != 0; i++)
			;
		if (!name || i == NCOMMANDS)
			die("unknown command", name ? name : "");
		commands[i].run(s);
		fflush(stdout);
		alarm(SECONDS_A_COMMAND);
	}
	for (i = 0; i < FF_INPUTS; i++)
		free((void *)s->event.inputs[i].data);
	ff_unload(&s->content);
	free(s->file.data);
	free(s);
	free(line);
	return 0;
}
