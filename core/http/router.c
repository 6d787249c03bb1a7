/* A trie over path segments. A node has static children, at most one child for "any segment" and at
 * most one for "the rest". A static child wins; if it leads nowhere, the search returns and tries
 * the others: "/a/first", "/a/:id" and "/a/" with a rest can exist together, also with different
 * continuations. Parameter names belong to the route and not to the node, so two routes may name
 * the same segment differently. Segments are compared percent-encoded as they arrived; an empty
 * parameter does not match, nor does a rest with segments that would leave its folder, or that are
 * none once they are decoded: handlers put it behind paths and addresses. */
#include "http/router.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 32

struct route {
    char *method;
    int value;
    char *pattern; /* owns the names */
    struct tt_str names[TT_ROUTER_PARAMS_MAX];
    int name_count;
    struct route *next;
};

struct node {
    char *segment; /* NULL for the parameter's node and the root */
    struct node *children;
    struct node *next;
    struct node *param;
    struct node *rest;
    struct route *routes;
};

struct tt_router {
    struct node root;
};

struct tt_router *tt_router_new(void)
{
    return TT_NEW(struct tt_router);
}

static void node_clear(struct node *node)
{
    struct node *child = node->children;
    struct route *route = node->routes;
    while (child) {
        struct node *next = child->next;
        node_clear(child);
        free(child);
        child = next;
    }
    while (route) {
        struct route *next = route->next;
        free(route->method);
        free(route->pattern);
        free(route);
        route = next;
    }
    if (node->param)
        node_clear(node->param);
    if (node->rest)
        node_clear(node->rest);
    free(node->param);
    free(node->rest);
    free(node->segment);
}

void tt_router_free(struct tt_router *router)
{
    if (!router)
        return;
    node_clear(&router->root);
    free(router);
}

/* The path between the first and the last slash; "/" and "/a/" lose the trailing slash. */
static struct tt_str inner(struct tt_str path)
{
    path = tt_str_of(path.data + 1, path.len - 1);
    if (path.len > 0 && path.data[path.len - 1] == '/')
        path.len--;
    return path;
}

/* Cuts off the first segment; false if nothing is left. */
static bool cut_segment(struct tt_str *rest, struct tt_str *segment)
{
    if (!rest->data)
        return false;
    const char *slash = rest->len ? memchr(rest->data, '/', rest->len) : NULL;
    *segment = slash ? tt_str_of(rest->data, (size_t)(slash - rest->data)) : *rest;
    *rest = slash ? tt_str_of(slash + 1, rest->len - segment->len - 1) : (struct tt_str){0};
    return true;
}

static struct node *child_of(const struct node *node, struct tt_str segment)
{
    for (struct node *child = node->children; child; child = child->next)
        if (tt_str_eq(tt_str_from(child->segment), segment))
            return child;
    return NULL;
}

static bool param_is_valid(struct tt_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return name.len > 0;
}

static bool static_is_valid(struct tt_str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if ((unsigned char)segment.data[i] <= 0x20 || strchr(":?#*\x7f", segment.data[i]))
            return false;
    return segment.len > 0;
}

static bool add_name(struct route *route, struct tt_str name)
{
    if (!param_is_valid(name) || route->name_count == TT_ROUTER_PARAMS_MAX)
        return false;
    route->names[route->name_count++] = name;
    return true;
}

static struct node *node_of(struct node **place)
{
    if (!*place)
        *place = TT_NEW(struct node);
    return *place;
}

/* Walks the pattern, creates nodes and collects the names. NULL if the pattern is invalid; nodes
 * created until then remain, but without routes they match nothing. */
static struct node *make_path(struct tt_router *router, struct route *route)
{
    struct node *node = &router->root;
    struct tt_str rest = inner(tt_str_from(route->pattern)), segment;
    int depth = 0;
    if (rest.len == 0)
        return strcmp(route->pattern, "/") == 0 ? node : NULL;
    while (cut_segment(&rest, &segment)) {
        struct node *child = NULL;
        if (++depth > DEPTH_MAX)
            return NULL;
        if (segment.len > 0 && (segment.data[0] == ':' || segment.data[0] == '*')) {
            bool is_rest = segment.data[0] == '*';
            if (!add_name(route, tt_str_of(segment.data + 1, segment.len - 1)) ||
                (is_rest && rest.data))
                return NULL;
            node = node_of(is_rest ? &node->rest : &node->param);
            continue;
        }
        if (!static_is_valid(segment))
            return NULL;
        child = child_of(node, segment);
        if (!child) {
            child = TT_NEW(struct node);
            child->segment = tt_strndup(segment.data, segment.len);
            child->next = node->children;
            node->children = child;
        }
        node = child;
    }
    return node;
}

static bool names_are_unique(const struct route *route)
{
    for (int i = 0; i < route->name_count; i++)
        for (int k = 0; k < i; k++)
            if (tt_str_eq(route->names[i], route->names[k]))
                return false;
    return true;
}

static const struct route *find_method(const struct node *node, struct tt_str method)
{
    for (const struct route *route = node->routes; route; route = route->next)
        if (tt_str_eq(tt_str_from(route->method), method))
            return route;
    return NULL;
}

int tt_router_add(struct tt_router *router, struct tt_str method, struct tt_str pattern, int value,
                  struct tt_err *err)
{
    struct route *route = TT_NEW(struct route);
    struct node *node = NULL;
    bool known = false;
    route->method = tt_strndup(method.data, method.len);
    route->pattern = tt_strndup(pattern.data, pattern.len);
    route->value = value;
    if (method.len > 0 && method.len <= 16 && pattern.len > 0 && pattern.data[0] == '/' &&
        value >= 0)
        node = make_path(router, route);
    if (!node || !names_are_unique(route)) {
        tt_err_set(err, 500, "invalid_route", "%.*s %.*s: not a route", TT_STR_ARG(method),
                   TT_STR_ARG(pattern));
        goto fail;
    }
    known = find_method(node, method) != NULL;
    if (known) {
        tt_err_set(err, 500, "duplicate_route", "%.*s %.*s: the route exists already",
                   TT_STR_ARG(method), TT_STR_ARG(pattern));
        goto fail;
    }
    /* At the end: `allow` lists methods in the order in which they were added. */
    struct route **end = &node->routes;
    while (*end)
        end = &(*end)->next;
    *end = route;
    return 0;

fail:
    free(route->method);
    free(route->pattern);
    free(route);
    return -1;
}

static bool allow_has(const char *allow, const char *method)
{
    struct tt_str rest = tt_str_from(allow), part;
    while (rest.data && tt_str_split(&rest, ',', &part))
        if (tt_str_eq(tt_str_trim(part), tt_str_from(method)))
            return true;
    return false;
}

static void allow_add(struct tt_router_match *match, const char *method)
{
    size_t len = strlen(match->allow);
    if (len + strlen(method) + 3 <= sizeof(match->allow) && !allow_has(match->allow, method))
        snprintf(match->allow + len, sizeof(match->allow) - len, "%s%s", len ? ", " : "", method);
}

/* The path exists, but not with this method: lists the methods that it has. */
static void allow_node(struct tt_router_match *match, const struct node *node)
{
    match->value = -2;
    for (const struct route *route = node->routes; route; route = route->next) {
        allow_add(match, route->method);
        if (strcmp(route->method, "GET") == 0)
            allow_add(match, "HEAD");
    }
}

static bool search_node(const struct node *node, struct tt_str rest, struct tt_str method,
                        struct tt_router_match *match);

static bool search_child(const struct node *child, struct tt_str rest, struct tt_str method,
                         struct tt_router_match *match)
{
    return child && search_node(child, rest, method, match);
}

/* Whether the path ends at this node with a route. */
static bool ends_at(const struct node *node, struct tt_str method, struct tt_router_match *match)
{
    const struct route *route = find_method(node, method);
    if (!route && tt_str_eq(method, TT_STR("HEAD")))
        route = find_method(node, TT_STR("GET"));
    if (!route) {
        if (node->routes)
            allow_node(match, node);
        return false;
    }
    match->value = route->value;
    memcpy(match->name, route->names, sizeof(match->name));
    return true;
}

static bool segment_is_safe(struct tt_str segment)
{
    char text[3] = ""; /* of the decoded segment */
    size_t len = 0;
    for (size_t i = 0; i < segment.len; i++, len++) {
        char c = segment.data[i];
        if (c == '%' && segment.len - i > 2) {
            c = (char)strtol((char[]){segment.data[i + 1], segment.data[i + 2], 0}, NULL, 16);
            i += 2;
        }
        if (c == '/' || c == '\\' || c == '\0')
            return false;
        if (len < 2)
            text[len] = c;
    }
    return strcmp(text, ".") != 0 && (len != 2 || strcmp(text, "..") != 0);
}

static bool rest_is_safe(struct tt_str rest)
{
    struct tt_str segment;
    bool safe = rest.len > 0;
    while (safe && cut_segment(&rest, &segment))
        safe = segment.len > 0 && segment_is_safe(segment);
    return safe;
}

static bool search_rest(const struct node *node, struct tt_str rest, struct tt_str method,
                        struct tt_router_match *match)
{
    if (!node->rest || match->param_count == TT_ROUTER_PARAMS_MAX || !rest_is_safe(rest))
        return false;
    match->param[match->param_count++] = rest;
    if (ends_at(node->rest, method, match))
        return true;
    match->param_count--;
    return false;
}

/* Descends one segment, the static child first. */
static bool search_node(const struct node *node, struct tt_str rest, struct tt_str method,
                        struct tt_router_match *match)
{
    struct tt_str segment, all = rest;
    if (!cut_segment(&rest, &segment))
        return ends_at(node, method, match);
    if (search_child(child_of(node, segment), rest, method, match))
        return true;
    if (segment.len > 0 && match->param_count < TT_ROUTER_PARAMS_MAX) {
        match->param[match->param_count++] = segment;
        if (search_child(node->param, rest, method, match))
            return true;
        match->param_count--;
    }
    return search_rest(node, all, method, match);
}

void tt_router_match(const struct tt_router *router, struct tt_str method, struct tt_str path,
                     struct tt_router_match *match)
{
    struct tt_str rest = {0};
    memset(match, 0, sizeof(*match));
    match->value = -1;
    if (path.len == 0 || path.data[0] != '/')
        return;
    if (path.len > 1) {
        rest = inner(path);
        if (rest.len == 0)
            return; /* "//" */
    }
    if (search_node(&router->root, rest, method, match))
        match->allow[0] = '\0';
    else if (match->value == -2)
        allow_add(match, "OPTIONS");
}
