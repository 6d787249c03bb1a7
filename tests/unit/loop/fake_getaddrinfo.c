/* The getaddrinfo and freeaddrinfo of this program: see resolve_test.h. */
#include "resolve_test.h"

#include <dlfcn.h>

atomic_int lookups;
pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
atomic_bool hints_right;

typedef int real_getaddrinfo(const char *, const char *, const struct addrinfo *,
                             struct addrinfo **);
typedef void real_freeaddrinfo(struct addrinfo *);
static struct addrinfo *real_result;

static struct addrinfo *fake_address(const char *text, struct addrinfo *next)
{
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
    struct sockaddr_in *v4 = (void *)(info + 1);
    struct sockaddr_in6 *v6 = (void *)(info + 1);
    info->ai_addr = (void *)(info + 1);
    info->ai_next = next;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        info->ai_family = v4->sin_family = AF_INET;
        info->ai_addrlen = sizeof(*v4);
    } else {
        inet_pton(AF_INET6, text, &v6->sin6_addr);
        info->ai_family = v6->sin6_family = AF_INET6;
        info->ai_addrlen = sizeof(*v6);
    }
    return info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    atomic_fetch_add(&lookups, 1);
    if (strcmp(host, "127.1") == 0) { /* the system reads this old spelling without a network */
        real_getaddrinfo *real = (real_getaddrinfo *)dlsym(RTLD_NEXT, "getaddrinfo");
        int status = real(host, service, hints, out);
        real_result = status == 0 ? *out : NULL;
        return status;
    }
    atomic_store(&hints_right, hints->ai_family == AF_UNSPEC && hints->ai_socktype == SOCK_STREAM);
    if (strncmp(host, "slow", 4) == 0) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    if (strstr(host, "missing"))
        return EAI_NONAME;
    *out = NULL;
    if (strstr(host, "many")) {
        char text[32];
        for (int i = 30; i > 0; i--) {
            snprintf(text, sizeof(text), "192.0.2.%d", i);
            *out = fake_address(text, *out);
        }
        return 0;
    }
    *out = fake_address("192.0.2.7", *out);
    *out = fake_address("2001:db8::1", *out);
    *out = fake_address("192.0.2.7", *out); /* a double */
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    if (info && info == real_result) {
        ((real_freeaddrinfo *)dlsym(RTLD_NEXT, "freeaddrinfo"))(info);
        return;
    }
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}
