/* How long a server takes from exec to its first 200.
 *
 * usage: start_clock HOST:PORT PATH COMMAND [ARGUMENT...]
 *
 * Starts the command, asks until it answers 200, prints the milliseconds, ends it with SIGTERM. */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_NS 30000000000u
#define GAP_NS   200000

static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strchr(text, ':');
    char host[64];

    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - text) : 0, text);
    if (!colon || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("start_clock: %s is not an address", text);
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return address;
}

/* Whether the path answers 200 now. */
static int answers(const struct sockaddr_in *address, const char *path)
{
    char text[512];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n = -1;

    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) {
        int len = snprintf(text, sizeof text,
                           "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n", path);
        if (send(fd, text, (size_t)len, MSG_NOSIGNAL) == len)
            n = recv(fd, text, sizeof text - 1, 0);
    }
    close(fd);
    return n > 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: start_clock HOST:PORT PATH COMMAND [ARGUMENT...]");
    struct sockaddr_in address = parse_address(argv[1]);
    uint64_t begin = now_ns();
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[3], argv + 3);
        die("%s: %s", argv[3], strerror(errno));
    }
    while (!answers(&address, argv[2])) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            die("%s ended", argv[3]);
        if (now_ns() - begin > LIMIT_NS) {
            kill(pid, SIGKILL);
            die("%s did not answer", argv[3]);
        }
        nanosleep(&(struct timespec){.tv_nsec = GAP_NS}, NULL);
    }
    printf("%.2f\n", (double)(now_ns() - begin) / 1e6);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return 0;
}
