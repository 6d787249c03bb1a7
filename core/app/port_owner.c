/* Linux: the listening socket's inode is in /proc/net/tcp{,6}; the process that has it open is
 * found in /proc/<pid>/fd. Used only for the message of a start that fails, so it may be slow. */
#include "app/port_owner.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define STATE_LISTEN 0x0A

static unsigned long listening_inode(const char *table, uint16_t port)
{
    FILE *file = fopen(table, "re");
    char line[512];
    unsigned long found = 0;

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned int local_port, state;
        unsigned long inode;
        if (sscanf(line,
                   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
                   &local_port, &state, &inode) == 3 &&
            state == STATE_LISTEN && local_port == port)
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static bool has_socket(const char *pid, const char *wanted)
{
    char path[300], target[64];
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *directory = opendir(path);
    bool found = false;

    for (struct dirent *entry; directory && !found && (entry = readdir(directory));) {
        char link[600];
        snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
        ssize_t n = readlink(link, target, sizeof(target) - 1);
        if (n > 0) {
            target[n] = 0;
            found = strcmp(target, wanted) == 0;
        }
    }
    if (directory)
        closedir(directory);
    return found;
}

static void describe(const char *pid, char *out, size_t size)
{
    char path[300], name[64] = "?";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");

    if (file) {
        if (fgets(name, sizeof(name), file))
            name[strcspn(name, "\n")] = 0;
        fclose(file);
    }
    snprintf(out, size, "process %s (%s)", pid, name);
}

void tt_port_owner(uint16_t port, char *out, size_t size)
{
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    char wanted[64];

    snprintf(out, size, "another process");
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    if (!inode)
        return;
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            has_socket(entry->d_name, wanted)) {
            describe(entry->d_name, out, size);
            break;
        }
    }
    if (processes)
        closedir(processes);
}
