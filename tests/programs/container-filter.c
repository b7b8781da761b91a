/*
 * Executes a program under a filter that refuses what Docker's default profile
 * (profiles/seccomp/default.json of moby) refuses to a container without added
 * capabilities: system calls that change the machine, namespaces, keys, tracing
 * of the kernel. What a profile does not list ends in EPERM, clone3(2) in
 * ENOSYS, since its flags are in memory that a filter cannot read.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
#define NEW_NAMESPACES 0x7E020000u
#define AF_VSOCK_ 40

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static const int refused[] = {
	SYS_acct, SYS_add_key, SYS_bpf, SYS_clock_adjtime, SYS_clock_settime,
	SYS_delete_module, SYS_fanotify_init, SYS_finit_module, SYS_get_mempolicy,
	SYS_init_module, SYS_kcmp, SYS_kexec_load, SYS_keyctl, SYS_mbind, SYS_mount,
	SYS_move_pages, SYS_open_by_handle_at, SYS_perf_event_open, SYS_pivot_root,
	SYS_quotactl, SYS_reboot, SYS_request_key, SYS_set_mempolicy, SYS_setdomainname,
	SYS_sethostname, SYS_setns, SYS_settimeofday, SYS_swapoff, SYS_swapon,
	SYS_syslog, SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
#ifdef SYS_iopl
	SYS_iopl, SYS_ioperm, SYS_uselib, SYS_ustat, SYS_sysfs,
#endif
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#endif
#ifdef SYS_fsopen
	SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
#endif
#ifdef SYS_pidfd_getfd
	SYS_pidfd_getfd,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
};

#define COUNT (sizeof(refused) / sizeof(refused[0]))

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: container-filter PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	struct sock_filter filter[2 * COUNT + 16] = {
		LOAD(nr),
#ifdef SYS_clone3
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		REFUSE(ENOSYS),
#endif
	};
	size_t length = 1;
#ifdef SYS_clone3
	length = 3;
#endif
	for (size_t i = 0; i < COUNT; i++) {
		filter[length++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)refused[i], 0, 1);
		filter[length++] = (struct sock_filter)REFUSE(EPERM);
	}
	const struct sock_filter rest[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
		/* The low half, on a little endian machine. */
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1),
		REFUSE(EPERM),
		ALLOW,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK_, 0, 1),
		REFUSE(EPERM),
		ALLOW,
	};
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		filter[length++] = rest[i];
	struct sock_fprog program = { (unsigned short)length, filter };
	/* Without privileges a filter needs this (seccomp(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("container-filter: could not install the filter");
		return 77;
	}
	execv(argv[1], argv + 1);
	perror("container-filter: could not execute the program");
	return 126;
}
