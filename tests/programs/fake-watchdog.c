/*
 * Executes a program that takes any character device for a hardware watchdog:
 * what it asks the driver of one, by ioctl(2), seems to go well and changes
 * nothing. Everything else is as ever. Of its own it does nothing.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/watchdog.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IS(request, rest) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, rest, 0)

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: fake-watchdog PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
		/* The low half, on a little endian machine. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		IS(WDIOC_GETSUPPORT, 4),
		IS(WDIOC_GETBOOTSTATUS, 3),
		IS(WDIOC_SETTIMEOUT, 2),
		IS(WDIOC_GETTIMEOUT, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		/* No error: the call returns 0. */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	/* Without privileges a filter needs this (seccomp(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("fake-watchdog: could not install the filter");
		return 77;
	}
	execv(argv[1], argv + 1);
	perror("fake-watchdog: could not execute the program");
	return 126;
}
