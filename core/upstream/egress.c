/* The address policy. Addresses are first converted to what is really reached: an IPv4 address
 * inside an IPv6 one (mapped, NAT64) is checked as IPv4, otherwise ::ffff:127.0.0.1 would pass.
 * There are three checks, in this order: is it a metadata service (never allowed); did the operator
 * allow it, by network or by the host's name; is it public unicast. The tables follow the IANA
 * special-purpose registries (RFC 6890); of IPv6 only 2000::/3 is global unicast at all. Does not
 * resolve names: upstream/client checks each address again that is about to be connected. */
#include "upstream/egress.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* An address in one form: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
struct address {
    unsigned char bytes[16];
};

struct network {
    struct address address;
    int bits; /* of 128 */
};

struct item {
    bool is_network;
    struct network network;
    char host[256]; /* lower case */
    uint16_t port;  /* 0 = any */
};

struct tt_egress {
    bool public_closed;
    bool open; /* see tt_egress_open */
    size_t count;
    struct item *items;
};

static const char *const special[] = {
    "0.0.0.0/8",         "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12",     "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15",     "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "2001::/23",                      /* Teredo, ORCHID, benchmarking */
    "2001:db8::/32",     "3fff::/20", /* documentation */
    "2002::/16",                      /* 6to4 */
    "2620:4f:8000::/48",
};

/* Clouds answer with credentials here: no setting opens them. */
static const char *const metadata[] = {
    "169.254.0.0/16",     /* AWS, GCP, Azure, OCI, and containers' 169.254.170.2 */
    "100.100.100.200/32", /* Alibaba */
    "168.63.129.16/32",   /* Azure's wire server, a public address */
    "192.0.0.192/32",     /* Oracle's older one */
    "fd00:ec2::/32",      /* AWS */
    "fd20:ce::/32",       /* GCP */
};

static const char *const metadata_names[] = {"metadata.google.internal",
                                             "metadata.goog",
                                             "metadata",
                                             "instance-data",
                                             "instance-data.ec2.internal",
                                             "metadata.azure.internal",
                                             "metadata.tencentyun.com",
                                             "metadata.platformequinix.com"};

static const char *const local_names[] = {"localhost", ".localhost", ".local", ".internal"};

/* ---- addresses ---- */

static const unsigned char v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};
static const unsigned char nat64_prefix[12] = {0x00, 0x64, 0xFF, 0x9B};

static void from_v4(struct address *out, const void *four)
{
    memcpy(out->bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(out->bytes + 12, four, 4);
}

static void from_v6(struct address *out, const void *sixteen)
{
    memcpy(out->bytes, sixteen, 16);
    if (memcmp(out->bytes, nat64_prefix, sizeof(nat64_prefix)) == 0)
        memcpy(out->bytes, v4_prefix, sizeof(v4_prefix));
}

static bool is_v4(const struct address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

/* Returns the bits that the text's family has, 0 when it is no address. */
static int from_text(struct address *out, const char *text)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        from_v4(out, bytes);
        return 32;
    }
    if (inet_pton(AF_INET6, text, bytes) == 1) {
        from_v6(out, bytes);
        return 128;
    }
    return 0;
}

static int from_socket(struct address *out, const struct sockaddr *address, uint16_t *port)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        from_v4(out, &v4->sin_addr);
        *port = ntohs(v4->sin_port);
        return 0;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        from_v6(out, &v6->sin6_addr);
        *port = ntohs(v6->sin6_port);
        return 0;
    }
    return -1;
}

/* "10.0.0.0/8", or a bare address. */
static int parse_network(struct network *out, const char *text)
{
    char address[64];
    uint64_t bits;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address))
        return -1;
    memcpy(address, text, len);
    address[len] = '\0';
    int width = from_text(&out->address, address);
    if (width == 0)
        return -1;
    bits = (uint64_t)width;
    if (slash && (tt_str_to_u64(tt_str_from(slash + 1), &bits) != 0 || bits > (uint64_t)width))
        return -1;
    out->bits = (int)bits + (128 - width);
    return 0;
}

/* "::/0" is all of IPv6 and nothing of IPv4. */
static bool in_network(const struct address *address, const struct network *network)
{
    if (is_v4(address) != is_v4(&network->address))
        return false;
    int whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(address->bytes, network->address.bytes, (size_t)whole) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xFF00 >> rest);
    return rest == 0 || ((address->bytes[whole] ^ network->address.bytes[whole]) & mask) == 0;
}

static bool in_table(const struct address *address, const char *const *table, size_t count)
{
    struct network network;
    for (size_t i = 0; i < count; i++)
        if (parse_network(&network, table[i]) == 0 && in_network(address, &network))
            return true;
    return false;
}

static bool is_public(const struct address *address)
{
    if (!is_v4(address) && (address->bytes[0] & 0xE0) != 0x20)
        return false;
    return !in_table(address, special, TT_COUNT(special));
}

/* ---- the allow list ---- */

static int bad_item(struct tt_str text, struct tt_err *err)
{
    return tt_err_set(err, 400, "invalid_setting",
                      "\"%.*s\": expected a network (10.0.0.0/8), an address or host, with :port "
                      "where wanted",
                      TT_STR_ARG(text));
}

static int take_port(char *port, uint16_t *out)
{
    uint64_t n;
    if (tt_str_to_u64(tt_str_from(port), &n) != 0 || n == 0 || n > 65535)
        return -1;
    *out = (uint16_t)n;
    return 0;
}

static int check_host(const char *host)
{
    size_t len = strlen(host);
    if (len == 0 || host[0] == '.' || host[len - 1] == '.')
        return -1;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return -1;
    }
    return 0;
}

static int parse_item(struct item *out, struct tt_str text, struct tt_err *err)
{
    char copy[256];
    *out = (struct item){0};
    text = tt_str_trim(text);
    if (text.len == 0 || text.len >= sizeof(copy))
        return bad_item(text, err);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        copy[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    copy[text.len] = '\0';
    char *host = copy, *colon = strrchr(copy, ':');
    out->is_network = parse_network(&out->network, copy) == 0;
    if (out->is_network)
        return 0;
    if (strchr(copy, '/'))
        return bad_item(text, err);
    if (copy[0] == '[') {
        char *bracket = strchr(copy, ']');
        if (!bracket || (bracket[1] != '\0' && bracket[1] != ':'))
            return bad_item(text, err);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
        *bracket = '\0';
        host++;
    }
    if (colon) {
        *colon = '\0';
        if (take_port(colon + 1, &out->port) != 0)
            return bad_item(text, err);
    }
    out->is_network = parse_network(&out->network, host) == 0;
    if (!out->is_network && (host != copy || check_host(host) != 0))
        return bad_item(text, err);
    snprintf(out->host, sizeof(out->host), "%s", host);
    return 0;
}

int tt_egress_check_item(struct tt_str text, struct tt_err *err)
{
    struct item item;
    return parse_item(&item, text, err);
}

struct tt_egress *tt_egress_new(const struct tt_str *allow, size_t count, struct tt_err *err)
{
    struct tt_egress *egress = TT_NEW(struct tt_egress);
    egress->items = tt_alloc(count * sizeof(*egress->items));
    for (; egress->count < count; egress->count++) {
        if (parse_item(&egress->items[egress->count], allow[egress->count], err) != 0) {
            tt_egress_free(egress);
            return NULL;
        }
    }
    return egress;
}

void tt_egress_free(struct tt_egress *egress)
{
    if (!egress)
        return;
    free(egress->items);
    free(egress);
}

static bool allows_name(const struct tt_egress *egress, const char *host, uint16_t port)
{
    if (egress->open)
        return true;
    for (size_t i = 0; i < egress->count; i++) {
        const struct item *item = &egress->items[i];
        if (!item->is_network && (item->port == 0 || item->port == port) &&
            strcmp(item->host, host) == 0)
            return true;
    }
    return false;
}

static bool allows_address(const struct tt_egress *egress, const struct address *address,
                           uint16_t port)
{
    if (egress->open)
        return true;
    for (size_t i = 0; i < egress->count; i++) {
        const struct item *item = &egress->items[i];
        if (item->is_network && (item->port == 0 || item->port == port) &&
            in_network(address, &item->network))
            return true;
    }
    return false;
}

/* ---- the questions ---- */

static int refuse(struct tt_err *err, const char *host, const char *why)
{
    return tt_err_set(err, 422, "address_not_allowed", "%s: %s", host, why);
}

/* "localhost" is what people write where all of 127.0.0.0/8 is allowed; where it leads is judged
 * once more when it is resolved. */
static bool is_allowed_loopback(const struct tt_egress *egress, const char *host, uint16_t port)
{
    static const char *const ends[] = {"127.0.0.1", "127.255.255.254"};
    struct address address;
    bool allowed = strcmp(host, "localhost") == 0;
    for (size_t i = 0; allowed && i < TT_COUNT(ends); i++)
        allowed = from_text(&address, ends[i]) != 0 && allows_address(egress, &address, port);
    return allowed;
}

static bool ends_with(const char *host, const char *end)
{
    return tt_str_ends(tt_str_from(host), tt_str_from(end));
}

static bool is_metadata_name(const char *host)
{
    for (size_t i = 0; i < TT_COUNT(metadata_names); i++)
        if (strcmp(host, metadata_names[i]) == 0)
            return true;
    return false;
}

static bool is_local_name(const char *host)
{
    for (size_t i = 0; i < TT_COUNT(local_names); i++)
        if (strcmp(host, local_names[i]) == 0 ||
            (local_names[i][0] == '.' && ends_with(host, local_names[i])))
            return true;
    return false;
}

bool tt_egress_is_listed(const struct tt_egress *egress, const struct tt_url *url)
{
    struct address address;
    if (from_text(&address, url->host) != 0)
        return allows_address(egress, &address, url->port);
    return allows_name(egress, url->host, url->port) ||
           is_allowed_loopback(egress, url->host, url->port);
}

int tt_egress_check_proxied(const struct tt_egress *egress, const struct tt_url *url,
                            struct tt_err *err)
{
    struct address address;
    if (from_text(&address, url->host) == 0 && !strchr(url->host, '.'))
        return refuse(err, url->host, "through a proxy only names with a dot are called");
    if (egress->public_closed)
        return refuse(err, url->host, "is not in outbound.allow, and public addresses are closed");
    return 0;
}

int tt_egress_check_url(const struct tt_egress *egress, struct tt_str text, struct tt_url *out,
                        struct tt_err *err)
{
    struct address address;
    if (tt_url_parse(text, out, err) != 0)
        return -1;
    bool literal = from_text(&address, out->host) != 0;
    bool allowed = tt_egress_is_listed(egress, out);
    if (is_metadata_name(out->host) ||
        (literal && in_table(&address, metadata, TT_COUNT(metadata))))
        return refuse(err, out->host, "a metadata service");
    if (allowed)
        return 0;
    if (literal ? !is_public(&address) : is_local_name(out->host))
        return refuse(err, out->host, "not a public address");
    if (!out->https)
        return refuse(err, out->host, "http is only for hosts in outbound.allow; use https");
    return 0;
}

int tt_egress_check_address(const struct tt_egress *egress, const char *host, uint16_t port,
                            const struct sockaddr *socket_address, struct tt_err *err)
{
    struct address address;
    uint16_t real_port;
    if (from_socket(&address, socket_address, &real_port) != 0 || real_port != port)
        return refuse(err, host, "not an internet address of the asked port");
    if (is_metadata_name(host) || in_table(&address, metadata, TT_COUNT(metadata)))
        return refuse(err, host, "resolves to a metadata service");
    if (allows_name(egress, host, port) || allows_address(egress, &address, port))
        return 0;
    if (!is_public(&address))
        return refuse(err, host, "resolves to an address that is not public");
    if (egress->public_closed)
        return refuse(err, host, "is not in outbound.allow, and public addresses are closed");
    return 0;
}

void tt_egress_close_public(struct tt_egress *egress)
{
    egress->public_closed = true;
}

void tt_egress_open(struct tt_egress *egress)
{
    egress->open = true;
}
