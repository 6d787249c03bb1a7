/* The client's address, read from X-Forwarded-For only if the connection comes from a trusted
 * proxy, and the limit of connections from one address. IPv4 is handled as ::ffff:a.b.c.d, so there
 * is one kind of comparison. IPv6 clients are counted by /64, which is what one customer has.
 * Proxies and unix sockets are never limited, because all their users share one address. */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

struct address_count {
    int connections;
};

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool parse_ip(struct tt_str text, unsigned char out[16])
{
    char z[INET6_ADDRSTRLEN] = "";
    if (text.len == 0 || text.len >= sizeof(z))
        return false;
    memcpy(z, text.data, text.len);
    if (inet_pton(AF_INET6, z, out) == 1)
        return true;
    memcpy(out, mapped, sizeof(mapped));
    return inet_pton(AF_INET, z, out + 12) == 1;
}

static bool to_bytes(const struct sockaddr *address, unsigned char out[16])
{
    if (address->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    memcpy(out, mapped, sizeof(mapped));
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return true;
}

static bool cidr_has(const struct tt_cidr *cidr, const unsigned char bytes[16])
{
    int whole = cidr->bits / 8, rest = cidr->bits % 8;
    if (memcmp(cidr->bytes, bytes, (size_t)whole) != 0)
        return false;
    return rest == 0 || (cidr->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static bool is_proxy(const struct tt_http_server *server, const unsigned char bytes[16])
{
    for (size_t i = 0; i < server->proxy_count; i++)
        if (cidr_has(&server->proxies[i], bytes))
            return true;
    return false;
}

static int parse_cidr(struct tt_str text, struct tt_cidr *out)
{
    ptrdiff_t slash = tt_str_find(text, '/');
    uint64_t bits = 128;
    bool v4 = false;
    struct tt_str ip = slash >= 0 ? tt_str_of(text.data, (size_t)slash) : text;
    if (!parse_ip(ip, out->bytes))
        return -1;
    v4 = tt_str_find(ip, ':') < 0;
    if (slash >= 0) {
        struct tt_str digits = tt_str_of(text.data + slash + 1, text.len - (size_t)slash - 1);
        if (tt_str_to_u64(digits, &bits) != 0 || bits > (v4 ? 32 : 128))
            return -1;
        bits += v4 ? 96 : 0;
    }
    out->bits = (int)bits;
    return 0;
}

int tt_peer_setup(struct tt_http_server *server, struct tt_err *err)
{
    const struct tt_http_settings *s = &server->settings;
    if (s->per_address_max > 0)
        server->addresses = tt_map_new();
    if (s->trusted_proxy_count == 0)
        return 0;
    server->proxies = tt_alloc(s->trusted_proxy_count * sizeof(*server->proxies));
    for (size_t i = 0; i < s->trusted_proxy_count; i++) {
        struct tt_str text = s->trusted_proxies[i];
        if (tt_str_eq(text, TT_STR("unix")))
            server->trust_unix = true;
        else if (parse_cidr(text, &server->proxies[server->proxy_count]) == 0)
            server->proxy_count++;
        else
            return tt_err_set(err, 500, "listen_failed",
                              "trusted proxy %.*s: expected an address, a cidr or \"unix\"",
                              TT_STR_ARG(text));
    }
    return 0;
}

void tt_peer_free(struct tt_http_server *server)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (server->addresses && tt_map_next(server->addresses, &position, &key, &value))
        free(value);
    if (server->addresses)
        tt_map_free(server->addresses);
    free(server->proxies);
}

/* ---- connections from one address ---- */

/* False if this address is not limited. */
static bool count_key(const struct tt_http_server *server, const struct sockaddr *address,
                      unsigned char bytes[16], struct tt_str *key)
{
    if (!server->addresses || !to_bytes(address, bytes) || is_proxy(server, bytes))
        return false;
    *key = tt_str_of((char *)bytes, memcmp(bytes, mapped, sizeof(mapped)) == 0 ? 16 : 8);
    return true;
}

enum MHD_Result tt_peer_on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    const struct tt_http_server *server = arg;
    const struct address_count *count = NULL;
    unsigned char bytes[16];
    struct tt_str key;
    if (len < (socklen_t)sizeof(sa_family_t) || !count_key(server, address, bytes, &key))
        return MHD_YES;
    count = tt_map_get(server->addresses, key);
    return count && count->connections >= server->settings.per_address_max ? MHD_NO : MHD_YES;
}

void tt_peer_enter(struct tt_http_conn *conn, const struct sockaddr *address)
{
    struct tt_http_server *server = conn->server;
    struct address_count *count = NULL;
    unsigned char bytes[16];
    struct tt_str key;
    if (address->sa_family == AF_INET)
        memcpy(&conn->peer.v4, address, sizeof(conn->peer.v4));
    else if (address->sa_family == AF_INET6)
        memcpy(&conn->peer.v6, address, sizeof(conn->peer.v6));
    else
        conn->is_unix = true;
    if (conn->is_unix)
        conn->trusted = server->trust_unix;
    else
        conn->trusted = to_bytes(&conn->peer.any, bytes) && is_proxy(server, bytes);
    if (conn->is_unix || !count_key(server, &conn->peer.any, bytes, &key))
        return;
    count = tt_map_get(server->addresses, key);
    if (!count) {
        count = TT_NEW(struct address_count);
        tt_map_put(server->addresses, key, count);
    }
    count->connections++;
    conn->counted = true;
}

void tt_peer_leave(struct tt_http_conn *conn)
{
    struct address_count *count = NULL;
    unsigned char bytes[16];
    struct tt_str key;
    if (!conn->counted || !count_key(conn->server, &conn->peer.any, bytes, &key))
        return;
    conn->counted = false;
    count = tt_map_get(conn->server->addresses, key);
    if (count && --count->connections == 0) {
        tt_map_remove(conn->server->addresses, key);
        free(count);
    }
}

/* ---- the client's address ---- */

static struct tt_str format_ip(struct tt_http_exchange *exchange, const unsigned char bytes[16])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
        inet_ntop(AF_INET, bytes + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, bytes, text, sizeof(text));
    return tt_str_of(tt_exchange_copy(exchange, text, strlen(text)), strlen(text));
}

/* "1.2.3.4", "1.2.3.4:5", "2001::1", "[2001::1]:5": some proxies add the port. */
static bool parse_hop(struct tt_str hop, unsigned char out[16])
{
    hop = tt_str_trim(hop);
    ptrdiff_t colon = tt_str_find(hop, ':');
    if (hop.len > 0 && hop.data[0] == '[') {
        ptrdiff_t end = tt_str_find(hop, ']');
        return end > 0 && parse_ip(tt_str_of(hop.data + 1, (size_t)end - 1), out);
    }
    if (colon >= 0 && !memchr(hop.data + colon + 1, ':', hop.len - (size_t)colon - 1))
        hop.len = (size_t)colon;
    return parse_ip(hop, out);
}

/* From the right: the first hop that is not our proxy. Anybody can have written what is left of it.
 */
static void walk_forwarded(const struct tt_http_server *server, struct tt_str list,
                           unsigned char bytes[16])
{
    while (list.len > 0) {
        size_t start = list.len;
        unsigned char hop[16];
        while (start > 0 && list.data[start - 1] != ',')
            start--;
        if (!parse_hop(tt_str_of(list.data + start, list.len - start), hop))
            return;
        memcpy(bytes, hop, sizeof(hop));
        if (!is_proxy(server, hop))
            return;
        list.len = start > 0 ? start - 1 : 0;
    }
}

struct tt_str tt_http_remote(const struct tt_http_exchange *c)
{
    struct tt_http_exchange *exchange = (struct tt_http_exchange *)c; /* fills the cache */
    struct tt_http_conn *conn = tt_exchange_conn(exchange);
    unsigned char bytes[16] = {0};
    if (exchange->remote.data)
        return exchange->remote;
    bool known = !conn->is_unix && to_bytes(&conn->peer.any, bytes);
    if (conn->trusted && exchange->forwarded_for.len > 0) {
        unsigned char first[16];
        memcpy(first, bytes, sizeof(first));
        walk_forwarded(exchange->server, exchange->forwarded_for, bytes);
        known = known || memcmp(first, bytes, sizeof(first)) != 0;
    }
    exchange->remote = known ? format_ip(exchange, bytes) : TT_STR("unix");
    return exchange->remote;
}

long tt_http_peer_uid(const struct tt_http_exchange *exchange)
{
    const struct tt_http_conn *conn = tt_exchange_conn((struct tt_http_exchange *)exchange);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (!conn->is_unix || getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return -1;
    return (long)peer.uid;
}

bool tt_http_behind_tls(const struct tt_http_exchange *exchange)
{
    struct tt_http_exchange *e = (struct tt_http_exchange *)exchange;
    if (!tt_exchange_conn(e)->trusted)
        return false;
    return tt_str_eq_nocase(tt_http_header(e, "x-forwarded-proto"), TT_STR("https"));
}
