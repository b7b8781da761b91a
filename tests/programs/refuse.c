/*
 * Executes a program for which some system calls end in an error, as on an older
 * kernel or under the seccomp filter of a container engine. Everything else is
 * allowed. Of its own it does nothing.
 *
 *     refuse RULE... -- PROGRAM [ARGUMENT...]
 *
 * A rule is CALL:ERROR, or CALL:ERROR:ARGUMENT:TEST:VALUE: of that call, those
 * whose argument (0 to 5, its low half, after the mask if there is one) passes.
 *     CALL   a number, or >NUMBER for all above
 *     TEST   is, not, above, any (one of these bits), or MASK/is and so on
 *     VALUE  a number, or self for the id of the process
 * Numbers are as in C. The first rule that fits counts.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* More than anybody needs; a rule takes six, of the 4096 that the kernel takes. */
#define MOST 512

static struct sock_filter filter[MOST];
static unsigned short length;

static void add(unsigned short code, unsigned int value, unsigned char yes, unsigned char no)
{
	if (length == MOST) {
		fprintf(stderr, "refuse: too many rules\n");
		exit(2);
	}
	filter[length++] = (struct sock_filter){ code, yes, no, value };
}

static void bad(const char *rule)
{
	fprintf(stderr, "refuse: %s is no rule\n", rule);
	exit(2);
}

static unsigned int number(const char *text, const char *rule)
{
	char *end;
	if (text == NULL)
		bad(rule);
	if (strcmp(text, "self") == 0)
		return (unsigned int)getpid();
	unsigned long value = strtoul(text, &end, 0);
	if (end == text || *end != '\0')
		bad(rule);
	return (unsigned int)value;
}

static void add_rule(const char *rule)
{
	char text[128];
	if (strlen(rule) >= sizeof(text))
		bad(rule);
	strcpy(text, rule);
	char *call = strtok(text, ":");
	unsigned int error = 0, argument = 0, mask = 0xffffffffu, value = 0;
	if (call == NULL)
		bad(rule);
	error = number(strtok(NULL, ":"), rule);
	char *which = strtok(NULL, ":"), *test = NULL;
	unsigned short jump = BPF_JEQ;
	int yes_is_no = 0;
	if (which != NULL) {
		argument = number(which, rule);
		test = strtok(NULL, ":");
		value = number(strtok(NULL, ":"), rule);
		if (test == NULL || argument > 5 || strtok(NULL, ":") != NULL)
			bad(rule);
		char *slash = strchr(test, '/');
		if (slash != NULL) {
			*slash = '\0';
			mask = number(test, rule);
			test = slash + 1;
		}
		if (strcmp(test, "above") == 0)
			jump = BPF_JGT;
		else if (strcmp(test, "any") == 0)
			jump = BPF_JSET;
		else if (strcmp(test, "not") == 0)
			yes_is_no = 1;
		else if (strcmp(test, "is") != 0)
			bad(rule);
	}
	/* How many instructions are left out where it does not fit. */
	unsigned char rest = which == NULL ? 1 : 4;
	int all_above = call[0] == '>';
	add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	add(BPF_JMP | BPF_K | (all_above ? BPF_JGT : BPF_JEQ), number(call + all_above, rule), 0, rest);
	if (which != NULL) {
		/* The low half, on a little endian machine. */
		unsigned int at = offsetof(struct seccomp_data, args) + 8 * argument;
		add(BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
		add(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
		add(BPF_JMP | BPF_K | jump, value, yes_is_no ? 1 : 0, yes_is_no ? 0 : 1);
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA), 0, 0);
}

int main(int argc, char **argv)
{
	int at = 1;
	while (at < argc && strcmp(argv[at], "--") != 0)
		add_rule(argv[at++]);
	if (at + 1 >= argc) {
		fprintf(stderr, "usage: refuse RULE... -- PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	struct sock_fprog program = { length, filter };
	/* Without privileges a filter needs this (seccomp(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("refuse: could not install the filter");
		return 77;
	}
	execv(argv[at + 1], argv + at + 1);
	perror("refuse: could not execute the program");
	return 126;
}
