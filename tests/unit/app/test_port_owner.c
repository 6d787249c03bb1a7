/* Who listens on a port of this machine. */
#include "app/port_owner.h"
#include "app/support.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static int listen_on(int family, uint16_t *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, address, len) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, address, &len) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

static void the_holder_is_named(void **state)
{
    char holder[128], own[64];
    uint16_t port = 0;
    (void)state;

    snprintf(own, sizeof(own), "process %d (unit_app)", (int)getpid());
    int fd = listen_on(AF_INET, &port);
    assert_true(fd >= 0);
    tt_port_owner(port, holder, sizeof(holder));
    assert_string_equal(holder, own);
    close(fd);
    tt_port_owner(port, holder, sizeof(holder));
    assert_string_equal(holder, "another process");
    fd = listen_on(AF_INET6, &port);
    if (fd < 0)
        return; /* a machine without IPv6 */
    tt_port_owner(port, holder, sizeof(holder));
    assert_string_equal(holder, own);
    close(fd);
}

static void a_small_buffer_is_enough(void **state)
{
    char holder[8];
    (void)state;
    tt_port_owner(1, holder, sizeof(holder));
    assert_string_equal(holder, "another");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holder_is_named),
        cmocka_unit_test(a_small_buffer_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
