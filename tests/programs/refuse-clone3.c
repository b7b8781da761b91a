/*
 * Executes a program for which clone3(2) ends in an error, as the seccomp
 * filters of container engines have it (ENOSYS or EPERM). Everything else is
 * allowed. Of its own it does nothing.
 *
 * Compiled with -DREFUSED=434 it is pidfd_open(2) instead, as with too many
 * open files; only of the program itself a descriptor can be had.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* These have the same numbers on every architecture (Linux 5.3). */
#define CLONE3 435
#define PIDFD_OPEN 434
#ifndef REFUSED
#define REFUSED CLONE3
#endif

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: refuse-clone3 ERRNO PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	unsigned int error = (unsigned int)atoi(argv[1]);
	/* The program keeps the process id. No argument of clone3 is at 0. */
	unsigned int spared = REFUSED == PIDFD_OPEN ? (unsigned int)getpid() : 0;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, REFUSED, 0, 3),
		/* The low half, on a little endian machine. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, spared, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	/* Without privileges a filter needs this (seccomp(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("refuse-clone3: could not install the filter");
		return 77;
	}
	execv(argv[2], argv + 2);
	perror("refuse-clone3: could not execute the program");
	return 126;
}
