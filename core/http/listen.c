/* The listening socket: "127.0.0.1:8080", "[::1]:8080", "localhost:0", "*:8080" or "unix:/path".
 * TCP uses SO_REUSEPORT, so that every worker has its own queue. A second server on the same port
 * would therefore not be noticed, so tt_http_probe_address first binds without it. A unix socket
 * has one queue: the workers of a process share it through their own descriptors, and the last one
 * removes the file. The library's own way of opening sockets supports neither. */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     4096 /* the kernel cuts it to net.core.somaxconn */
#define SHARED_UNIX 8
#define UNSENT_MAX  (256 * 1024)

struct listen_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } to;
};

/* Unix sockets that this process listens on. */
static struct shared_unix {
    char *path;
    int fd;
    int users;
} shared[SHARED_UNIX];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static int parse_unix(struct tt_str path, struct listen_address *out, struct tt_err *err)
{
    if (path.len == 0 || path.len >= sizeof(out->to.un.sun_path))
        return tt_err_set(err, 500, "listen_failed", "unix:%.*s: a path has 1 to %zu bytes",
                          TT_STR_ARG(path), sizeof(out->to.un.sun_path) - 1);
    out->to.un.sun_family = AF_UNIX;
    memcpy(out->to.un.sun_path, path.data, path.len);
    out->len = sizeof(out->to.un);
    return 0;
}

static int parse_address(const char *text, struct listen_address *out, struct tt_err *err)
{
    char host[64] = "";
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    memset(out, 0, sizeof(*out));
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(tt_str_from(text + 5), out, err);
    if (!colon || (size_t)(colon - text) >= sizeof(host) ||
        tt_str_to_u64(tt_str_from(colon + 1), &port) != 0 || port > 65535)
        return tt_err_set(err, 500, "listen_failed", "%s: expected host:port or unix:/path", text);
    memcpy(host, text, (size_t)(colon - text));
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        out->to.v6.sin6_family = AF_INET6;
        out->to.v6.sin6_port = htons((uint16_t)port);
        out->len = sizeof(out->to.v6);
        if (inet_pton(AF_INET6, host + 1, &out->to.v6.sin6_addr) == 1)
            return 0;
    } else {
        const char *numeric = host;
        if (strcmp(host, "localhost") == 0)
            numeric = "127.0.0.1";
        else if (strcmp(host, "*") == 0 || host[0] == '\0')
            numeric = "0.0.0.0";
        out->to.v4.sin_family = AF_INET;
        out->to.v4.sin_port = htons((uint16_t)port);
        out->len = sizeof(out->to.v4);
        if (inet_pton(AF_INET, numeric, &out->to.v4.sin_addr) == 1)
            return 0;
    }
    return tt_err_set(err, 500, "listen_failed", "%s: the host must be an IP address", text);
}

static int failed(struct tt_err *err, const char *what, const char *address)
{
    return tt_err_set(err, 500, errno == EADDRINUSE ? "address_in_use" : "listen_failed",
                      "%s %s: %s", what, address, strerror(errno));
}

/* Whether anybody answers on a unix socket; a file without a listener remains after a crash. */
static bool unix_is_alive(const struct listen_address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive = fd >= 0 && (connect(fd, &address->to.any, address->len) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return alive;
}

static int unix_bind(const struct listen_address *address, const char *text, struct tt_err *err)
{
    const char *path = address->to.un.sun_path;
    struct stat st;
    int fd = -1;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (unix_is_alive(address)) {
            errno = EADDRINUSE;
            return failed(err, "listen on", text);
        }
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(err, "socket for", text);
    /* The mode of the socket becomes the mode of the file: it is never wider, not even for a
     * moment, and umask, which belongs to all threads, is not needed. */
    if (fchmod(fd, 0600) != 0 || bind(fd, &address->to.any, address->len) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        failed(err, "listen on", text);
        close(fd);
        return -1;
    }
    return fd;
}

static int unix_listen(const struct listen_address *address, const char *text, struct tt_err *err)
{
    struct shared_unix *unused = NULL;
    int fd = -1;
    pthread_mutex_lock(&shared_lock);
    for (int i = 0; i < SHARED_UNIX; i++) {
        struct shared_unix *s = &shared[i];
        if (!s->path && !unused)
            unused = s;
        if (s->path && strcmp(s->path, address->to.un.sun_path) == 0) {
            s->users++;
            fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
            goto out;
        }
    }
    fd = unix_bind(address, text, err);
    if (fd >= 0 && unused)
        *unused = (struct shared_unix){
            tt_strndup(address->to.un.sun_path, strlen(address->to.un.sun_path)),
            fcntl(fd, F_DUPFD_CLOEXEC, 3), 1};
out:
    pthread_mutex_unlock(&shared_lock);
    return fd;
}

static void unix_release(const char *path)
{
    pthread_mutex_lock(&shared_lock);
    for (int i = 0; i < SHARED_UNIX; i++) {
        struct shared_unix *s = &shared[i];
        if (!s->path || strcmp(s->path, path) != 0 || --s->users > 0)
            continue;
        unlink(path);
        close(s->fd);
        free(s->path);
        s->path = NULL;
    }
    pthread_mutex_unlock(&shared_lock);
}

static int tcp_bind(const struct listen_address *address, const char *text, bool reuse_port,
                    struct tt_err *err)
{
    const int on = 1, unsent_max = UNSENT_MAX;
    int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(err, "socket for", text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    /* Accepted sockets inherit both options. The second limits what the kernel buffers for a client
     * that does not read (it would grow to megabytes): the rest stays in the reply's log, once for
     * all readers. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
    if (bind(fd, &address->to.any, address->len) != 0) {
        failed(err, "bind", text);
        close(fd);
        return -1;
    }
    return fd;
}

static int bound_port(int fd)
{
    struct listen_address address = {.len = sizeof(address.to)};
    if (getsockname(fd, &address.to.any, &address.len) != 0)
        return 0;
    return ntohs(address.to.any.sa_family == AF_INET6 ? address.to.v6.sin6_port
                                                      : address.to.v4.sin_port);
}

int tt_listen(struct tt_http_server *server, struct tt_err *err)
{
    const char *text = server->settings.address;
    struct listen_address address;
    if (parse_address(text, &address, err) != 0)
        return -1;
    if (address.to.any.sa_family == AF_UNIX) {
        server->listen_fd = unix_listen(&address, text, err);
        if (server->listen_fd >= 0)
            server->unix_path = tt_strndup(address.to.un.sun_path, strlen(address.to.un.sun_path));
        return server->listen_fd < 0 ? -1 : 0;
    }
    server->listen_fd = tcp_bind(&address, text, true, err);
    if (server->listen_fd < 0)
        return -1;
    if (listen(server->listen_fd, BACKLOG) != 0)
        return failed(err, "listen on", text);
    server->port = bound_port(server->listen_fd);
    return 0;
}

void tt_listen_close(struct tt_http_server *server)
{
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    server->listen_fd = -1;
    if (server->unix_path)
        unix_release(server->unix_path);
    free(server->unix_path);
    server->unix_path = NULL;
}

int tt_http_probe_address(const char *text, struct tt_err *err)
{
    struct listen_address address;
    int fd = -1;
    if (parse_address(text, &address, err) != 0)
        return -1;
    if (address.to.any.sa_family == AF_UNIX) {
        if (!unix_is_alive(&address))
            return 0;
        errno = EADDRINUSE;
        return failed(err, "somebody listens on", text);
    }
    fd = tcp_bind(&address, text, false, err);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}
