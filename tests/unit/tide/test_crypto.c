/* What tide.crypto costs: the same work for a user that is there and for one that is not. */
#include "script/support.h"

#include <dlfcn.h>
#include <sodium.h>
#include <stdatomic.h>

/* Stands before the library's: counts, and keeps what was asked of it. */
static atomic_int hashed;
static unsigned long long last_passes;
static size_t last_memory;
static unsigned char last_salt[crypto_pwhash_SALTBYTES];
static char last_password[64];
static bool no_memory;

int crypto_pwhash(unsigned char *const out, unsigned long long size, const char *const password,
                  unsigned long long length, const unsigned char *const salt,
                  unsigned long long passes, size_t memory, int algorithm)
{
    int (*real)(unsigned char *, unsigned long long, const char *, unsigned long long,
                const unsigned char *, unsigned long long, size_t, int) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "crypto_pwhash");
    atomic_fetch_add(&hashed, 1);
    last_passes = passes;
    last_memory = memory;
    memcpy(last_salt, salt, sizeof(last_salt));
    snprintf(last_password, sizeof(last_password), "%.*s", (int)length, password);
    return no_memory ? -1 : real(out, size, password, length, salt, passes, memory, algorithm);
}

static int setup(void **state)
{
    *state = rig_new();
    rig_open_aux(*state);
    return 0;
}

static void an_unknown_user_costs_the_same_work(void **state)
{
    struct rig *rig = *state;
    unsigned char known[crypto_pwhash_SALTBYTES];

    rig_expect(rig,
               "local hash = crypto.password_hash('right') return "
               "{crypto.password_verify(hash, 'right'), crypto.password_verify(hash, 'wrong')}",
               "[true,false]");
    assert_int_equal(atomic_exchange(&hashed, 0), 2);
    unsigned long long passes = last_passes;
    size_t memory = last_memory;
    memcpy(known, last_salt, sizeof(known));

    rig_expect(rig, "return crypto.password_verify(nil, 'wrong')", "false");
    assert_int_equal(atomic_exchange(&hashed, 0), 1);
    assert_string_equal(last_password, "wrong");
    assert_int_equal(last_passes, passes);
    assert_int_equal(last_memory, memory);
    assert_memory_not_equal(last_salt, known, sizeof(known));
}

static void no_memory_is_no_wrong_password(void **state)
{
    struct rig *rig = *state;

    no_memory = true;
    rig_expect(rig,
               "local ok, err = crypto.password_verify(crypto.password_hash('right'), 'right') "
               "return {tostring(ok), err.code}",
               "[\"nil\",\"no_memory\"]");
    no_memory = false;
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unknown_user_costs_the_same_work, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_no_wrong_password, setup, rig_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
