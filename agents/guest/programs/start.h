/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program without a library: it starts in program(), whose result is its exit status, and asks the kernel itself for
 * what it needs. x86-64 only, as the images are. Build each with
 *
 *	gcc -nostdlib -static -Os -o NAME NAME.c
 */
#ifndef FLEETFALL_START_H
#define FLEETFALL_START_H

/* arguments[0] is the program's name; after the last argument there is a null pointer. */
int program(char **arguments);

/* The kernel puts the number of arguments on top of the stack, and then the arguments. */
__asm__(".globl _start\n"
	"_start:\n"
	"	lea 8(%rsp), %rdi\n"
	"	and $-16, %rsp\n"
	"	call program\n"
	"	mov %eax, %edi\n"
	"	mov $231, %eax\n" /* exit_group */
	"	syscall\n");

/* Numbers of the kernel's arch/x86/entry/syscalls/syscall_64.tbl. */
enum {
	SYS_READ = 0,
	SYS_WRITE = 1,
	SYS_OPEN = 2,
	SYS_CLOSE = 3,
	SYS_VFORK = 58,
	SYS_EXECVE = 59,
	SYS_WAIT4 = 61,
	SYS_UNLINK = 87,
	SYS_EXIT_GROUP = 231,
};

/* A system call; what it does not take is ignored. Returns what the kernel returns: an error is negative. */
static inline __attribute__((always_inline)) long ask(long number, long a, long b, long c, long d)
{
	register long fourth __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
			 : "rcx", "r11", "memory");
	return result;
}

/* Flags of open(2). */
enum { READ_ONLY = 0, WRITE_ONLY = 01, CREATE = 0100, TRUNCATE = 01000 };

static inline long open_file(const char *path, int flags) { return ask(SYS_OPEN, (long)path, flags, 0644, 0); }
static inline long read_file(long file, void *to, long size) { return ask(SYS_READ, file, (long)to, size, 0); }
static inline long write_file(long file, const void *from, long size) { return ask(SYS_WRITE, file, (long)from, size, 0); }
static inline long close_file(long file) { return ask(SYS_CLOSE, file, 0, 0, 0); }

#endif
