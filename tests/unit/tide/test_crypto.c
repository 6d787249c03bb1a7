/* What tide.crypto costs: the same work for a user that is there and for one that is not. */
#include "script/support.h"

#include <dlfcn.h>
#include <sodium.h>
#include <stdatomic.h>

/* Stands before the library's: counts, and keeps what was asked of it. */
static atomic_int verified;
static char last_hash[crypto_pwhash_STRBYTES], last_password[64];

int crypto_pwhash_str_verify(const char hash[crypto_pwhash_STRBYTES], const char *password,
                             unsigned long long length)
{
    int (*real)(const char *, const char *, unsigned long long) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "crypto_pwhash_str_verify");
    atomic_fetch_add(&verified, 1);
    snprintf(last_hash, sizeof(last_hash), "%s", hash);
    snprintf(last_password, sizeof(last_password), "%.*s", (int)length, password);
    return real(hash, password, length);
}

static int setup(void **state)
{
    *state = rig_new();
    rig_open_aux(*state);
    return 0;
}

/* "$argon2id$v=19$m=…,t=…,p=…$": what decides how much work it is. */
static struct tt_str parameters(const char *hash)
{
    struct tt_str rest = tt_str_from(hash);
    const char *end = hash;
    for (int dollars = 0; *end && (dollars += *end == '$') < 4; end++)
        continue;
    assert_int_equal(*end, '$');
    rest.len = (size_t)(end - hash);
    return rest;
}

static void an_unknown_user_costs_the_same_work(void **state)
{
    struct rig *rig = *state;
    char known[crypto_pwhash_STRBYTES];

    rig_expect(rig,
               "local hash = crypto.password_hash('right') return "
               "{crypto.password_verify(hash, 'right'), crypto.password_verify(hash, 'wrong')}",
               "[true,false]");
    assert_int_equal(atomic_exchange(&verified, 0), 2);
    memcpy(known, last_hash, sizeof(known));

    rig_expect(rig, "return crypto.password_verify(nil, 'wrong')", "false");
    assert_int_equal(atomic_exchange(&verified, 0), 1);
    assert_string_equal(last_password, "wrong");
    struct tt_str want = parameters(known), got = parameters(last_hash);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    assert_int_equal(strlen(last_hash), strlen(known)); /* salt and hash are as long, too */
    assert_string_not_equal(last_hash, known);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unknown_user_costs_the_same_work, setup, rig_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
