/* The proof that the library is the one that this server was written for. The library's functions
 * are replaced by ones that behave, when a test says so, as another version might. */
#include "http/http.h"
#include "http/library_memory.h"
#include "unit_test.h"

#include <dlfcn.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct faults {
    ptrdiff_t head_shift;   /* the head ends elsewhere */
    bool no_head_size;      /* nobody says where it ends */
    bool copied_header;     /* a response's header is a copy */
    bool first_header_only; /* of a request's headers the list shows one */
} faults;

typedef const union MHD_ConnectionInfo *info_function(struct MHD_Connection *,
                                                      enum MHD_ConnectionInfoType, ...);
typedef const char *header_function(struct MHD_Response *, const char *);
typedef int values_function(struct MHD_Connection *, enum MHD_ValueKind, MHD_KeyValueIteratorN,
                            void *);

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType type, ...)
{
    static info_function *real;
    static union MHD_ConnectionInfo shifted;
    if (!real)
        real = (info_function *)dlsym(RTLD_NEXT, "MHD_get_connection_info");
    const union MHD_ConnectionInfo *info = real(connection, type);
    if (type != MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE || !info)
        return info;
    if (faults.no_head_size)
        return NULL;
    shifted.header_size = info->header_size + (size_t)faults.head_shift;
    return &shifted;
}

const char *MHD_get_response_header(struct MHD_Response *response, const char *name)
{
    static header_function *real;
    static char copy[2048];
    if (!real)
        real = (header_function *)dlsym(RTLD_NEXT, "MHD_get_response_header");
    const char *text = real(response, name);
    if (!faults.copied_header || !text)
        return text;
    snprintf(copy, sizeof(copy), "%s", text);
    return copy;
}

static enum MHD_Result once(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                            const char *value, size_t value_len)
{
    struct {
        MHD_KeyValueIteratorN call;
        void *arg;
    } *inner = arg;
    inner->call(inner->arg, kind, name, name_len, value, value_len);
    return MHD_NO;
}

int MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                MHD_KeyValueIteratorN iterator, void *arg)
{
    static values_function *real;
    struct {
        MHD_KeyValueIteratorN call;
        void *arg;
    } inner = {iterator, arg};
    if (!real)
        real = (values_function *)dlsym(RTLD_NEXT, "MHD_get_connection_values_n");
    return faults.first_header_only ? real(connection, kind, once, &inner)
                                    : real(connection, kind, iterator, arg);
}

static void test_right(void **state)
{
    struct tt_err err = {0};
    (void)state;
    faults = (struct faults){0};
    for (int i = 0; i < 3; i++)
        if (tt_http_library_check(&err) != 0)
            fail_msg("%s", err.message);
}

static void refused(struct faults with, const char *what)
{
    struct tt_err err = {0};
    faults = with;
    int result = tt_http_library_check(&err);
    faults = (struct faults){0};
    assert_int_equal(result, -1);
    assert_string_equal(err.code, "http_library_unknown");
    assert_non_null(strstr(err.message, tt_http_library_version()));
    assert_non_null(strstr(err.message, "use libmicrohttpd "));
    if (!strstr(err.message, what))
        fail_msg("%s", err.message);
}

static void test_wrong(void **state)
{
    (void)state;
    refused((struct faults){.head_shift = 1}, "a good request must be answered with 200");
    refused((struct faults){.head_shift = -1}, "a good request must be answered with 200");
    refused((struct faults){.no_head_size = true},
            "a good request must be answered with 200 and the headers set for it, and got "
            "HTTP/1.1 400 Bad Request; ");
    refused((struct faults){.copied_header = true}, "and the headers set for it");
    refused((struct faults){.first_header_only = true}, "must be answered with 200");
}

/* Only whole pages of the buffer go; of a pool, those behind the buffer too. */
static void test_pages_given_back(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pool = aligned_alloc(page, 5 * page);
    (void)state;
    memset(pool, 'x', 5 * page);
    tt_library_slim(NULL, 0, pool + 1, 3 * page); /* the second and third page are whole */
    assert_int_equal(pool[page - 1], 'x');
    assert_int_equal(pool[page], 0);
    assert_int_equal(pool[3 * page - 1], 0);
    assert_int_equal(pool[3 * page], 'x');
    tt_library_slim(NULL, 0, pool + 3 * page + 1, page - 1);
    assert_int_equal(pool[3 * page + 1], 'x');
    tt_library_slim(pool, 4 * page, pool + 1, 2 * page);
    assert_int_equal(pool[page - 1], 'x');
    assert_int_equal(pool[3 * page], 0);
    assert_int_equal(pool[4 * page], 'x');
    pool[page] = 'x';
    tt_library_slim(pool + 2 * page, page, pool, page); /* a buffer outside of it */
    assert_int_equal(pool[page], 'x');
    free(pool);
}

/* Of a pool at rest only the pages without anything go. */
static void test_pool_at_rest(void **state)
{
    enum { PAGES = 9 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there[PAGES];
    char *pool =
        mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_ptr_not_equal(pool, MAP_FAILED);
    memset(pool, 0, PAGES * page);
    pool[0] = pool[3 * page - 1] = pool[5 * page] = 'x';
    tt_library_rest(pool, PAGES * page);
    assert_int_equal(mincore(pool, PAGES * page, there), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(there[i] & 1, i == 0 || i == 2 || i == 5);
    assert_int_equal(pool[3 * page - 1], 'x');
    munmap(pool, PAGES * page);
    assert_null(tt_library_pool_of((char *)page + 1, 65536));
    assert_null(tt_library_pool_of((char *)page, 32768)); /* allocated */
    assert_non_null(tt_library_pool_of((char *)page, 65536));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_pages_given_back),
        cmocka_unit_test(test_pool_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
