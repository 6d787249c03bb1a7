/* The main function of every program of unit tests.
 *
 * usage: unit_<layer> [-l] [GROUP [TEST]]
 *
 *   -l     the names of the groups, nothing is run
 *   GROUP  only groups whose name holds this text
 *   TEST   only tests whose name matches this pattern ('*' and '?')
 *
 * Each group runs in a child: signal masks, environment, limits and memory are as they were at the
 * start, a crash ends one group only, and leaks are reported for the group that has them. */
#include "unit_test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME_MAX_LEN 64

static struct test_group *groups; /* in the order of their names */

static void name_of(const struct test_group *group, char name[NAME_MAX_LEN])
{
    const char *base = strrchr(group->file, '/');
    base = base ? base + 1 : group->file;
    if (strncmp(base, "test_", 5) == 0)
        base += 5;
    snprintf(name, NAME_MAX_LEN, "%s", base);
    name[strcspn(name, ".")] = '\0';
}

void test_group_add(struct test_group *group)
{
    char mine[NAME_MAX_LEN], other[NAME_MAX_LEN];
    struct test_group **at = &groups;
    name_of(group, mine);
    for (; *at; at = &(*at)->next) {
        name_of(*at, other);
        if (strcmp(other, mine) > 0)
            break;
    }
    group->next = *at;
    *at = group;
}

/* Whether all of the group's tests passed. */
static bool run(const struct test_group *group, const char *name)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        exit(group->run() == 0 ? 0 : 1);
    if (pid < 0) {
        perror("fork");
        return false;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status))
        printf("[  FAILED  ] group %s: ended by signal %d (%s)\n", name, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        printf("[  FAILED  ] group %s: exit code %d\n", name, WEXITSTATUS(status));
    return status == 0;
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "-l") == 0;
    const char *only = argc > 1 && !list ? argv[1] : "";
    int count = 0, failed = 0;

    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    for (const struct test_group *group = groups; group; group = group->next) {
        char name[NAME_MAX_LEN];
        name_of(group, name);
        if (!strstr(name, only))
            continue;
        printf(list ? "%s\n" : "# group %s\n", name);
        fflush(stdout); /* a child must not inherit it */
        count++;
        failed += !list && !run(group, name);
    }
    fflush(stdout);
    if (count == 0)
        fprintf(stderr, "no group's name holds '%s'; -l shows them\n", only);
    return count == 0 || failed > 0;
}
