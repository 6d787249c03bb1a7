/* Hashes against known answers, sealing, the key file's rights, passwords. Tokens: test_token.c. */
#include "base/cases.h"
#include "base/secret.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/tt_secret_XXXXXX";

static const char *in_directory(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_directory(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
}

static void load_fails(const char *name, const char *code)
{
    struct tt_keys keys;
    struct tt_err err = {0};
    if (tt_keys_load(&keys, in_directory(name), &err) == 0)
        fail_msg("%s was loaded", name);
    assert_string_equal(err.code, code);
    assert_non_null(strstr(err.message, name));
}

#define KEY_TEXT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void key_file_is_made_once(void **state)
{
    (void)state;
    struct tt_keys keys, again, other;
    struct stat st;
    umask(0);
    assert_int_equal(tt_keys_load(&keys, in_directory("new"), NULL), 0);
    assert_int_equal(stat(in_directory("new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(tt_keys_load(&again, in_directory("new"), NULL), 0);
    assert_memory_equal(&keys, &again, sizeof(keys));
    assert_int_equal(tt_keys_load(&other, in_directory("other"), NULL), 0);
    assert_memory_not_equal(keys.token, other.token, TT_KEY_SIZE);
    assert_memory_not_equal(keys.seal, other.seal, TT_KEY_SIZE);
    assert_string_not_equal(keys.seal_id, other.seal_id);
    assert_memory_not_equal(keys.token, keys.seal, TT_KEY_SIZE);
    assert_int_equal(strlen(keys.seal_id), 8);
    tt_keys_wipe(&keys);
    static const struct tt_keys zero;
    assert_memory_equal(&keys, &zero, sizeof(keys));
}

static void derived_keys_stay_the_same(void **state)
{
    (void)state;
    /* Changing the derivation would make every stored secret unreadable. */
    struct tt_keys keys;
    struct tt_buf out = {0};
    write_file("known", KEY_TEXT "\n", 0600);
    assert_int_equal(tt_keys_load(&keys, in_directory("known"), NULL), 0);
    assert_string_equal(keys.seal_id, "44b8d18e");
    assert_int_equal(
        tt_unseal(
            &keys,
            TT_STR("v1.44b8d18e.Csa5dAIG8IvRIaZ8HN66NfDS12nvdpjkcrrjCfNlDU8KwwLI4yFtUp6X3Z_JlBUC"),
            TT_STR("user:1:api:7"), &out, NULL),
        0);
    assert_string_equal(out.data, "sk-known");
    tt_buf_free(&out);
    write_file("bare", KEY_TEXT, 0400);
    struct tt_keys bare;
    assert_int_equal(tt_keys_load(&bare, in_directory("bare"), NULL), 0);
    assert_memory_equal(&keys, &bare, sizeof(keys));
}

static void unsafe_key_files_are_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0604, 0620, 0602, 0610, 0601, 0644, 0660, 0666, 0444 | 0111};
    for (size_t i = 0; i < TT_COUNT(modes); i++) {
        write_file("rights", KEY_TEXT, modes[i]);
        load_fails("rights", "secret_file_unsafe");
    }
    char target[256];
    write_file("target", KEY_TEXT, 0600);
    snprintf(target, sizeof(target), "%s", in_directory("target"));
    assert_int_equal(mkdir(in_directory("shared"), 0700), 0);
    assert_int_equal(chmod(in_directory("shared"), 0777), 0);
    assert_int_equal(symlink(target, in_directory("shared/link")), 0);
    load_fails("shared/link", "secret_file_unsafe"); /* others could replace it */
    assert_int_equal(chmod(in_directory("shared"), 01777), 0);
    write_file("target", KEY_TEXT, 0604);
    load_fails("shared/link", "secret_file_unsafe"); /* the file's own rights count as well */
    assert_int_equal(symlink("/nonexistent", in_directory("dangling")), 0);
    load_fails("dangling", "secret_file_unreadable");
    assert_int_equal(mkdir(in_directory("dir"), 0700), 0);
    load_fails("dir", "secret_file_unsafe");
    assert_int_equal(mkfifo(in_directory("fifo"), 0600), 0);
    load_fails("fifo", "secret_file_unsafe");
    load_fails("no/such/dir", "secret_file_unreadable");
}

/* Read-only for a group or for all, of root or of our group: so container systems mount secrets. */
static void mounted_key_files_are_loaded_with_a_warning(void **state)
{
    (void)state;
    static const mode_t modes[] = {0440, 0444, 0640};
    for (size_t i = 0; i < TT_COUNT(modes); i++) {
        struct tt_keys keys;
        struct tt_err err = {0};
        write_file("mounted", KEY_TEXT, modes[i]);
        if (tt_keys_load(&keys, in_directory("mounted"), &err) != 0)
            fail_msg("%o: %s", (unsigned)modes[i], err.message);
        unlink(in_directory("mounted"));
    }
    if (geteuid() != 0)
        return; /* only root can give a file away */
    for (size_t i = 0; i < TT_COUNT(modes); i++) {
        write_file("foreign", KEY_TEXT, modes[i]);
        assert_int_equal(chown(in_directory("foreign"), 54321, 54321), 0);
        load_fails("foreign", "secret_file_unsafe");
        unlink(in_directory("foreign"));
    }
}

/* As Kubernetes mounts them: key -> ..data/key, ..data -> ..2026; the folder is root's, mode 1777.
 */
static void linked_key_files_are_loaded(void **state)
{
    struct tt_keys keys;
    struct tt_err err = {0};
    (void)state;

    assert_int_equal(mkdir(in_directory("mount"), 0700), 0);
    assert_int_equal(chmod(in_directory("mount"), 01777), 0);
    assert_int_equal(mkdir(in_directory("mount/..2026"), 0755), 0);
    write_file("mount/..2026/key", KEY_TEXT, 0440);
    assert_int_equal(symlink("..2026", in_directory("mount/..data")), 0);
    assert_int_equal(symlink("..data/key", in_directory("mount/key")), 0);
    if (tt_keys_load(&keys, in_directory("mount/key"), &err) != 0)
        fail_msg("%s", err.message);
    assert_string_equal(keys.seal_id, "44b8d18e");
    if (geteuid() != 0)
        return; /* only root can give a link away */
    assert_int_equal(lchown(in_directory("mount/key"), 54321, 54321), 0);
    load_fails("mount/key", "secret_file_unsafe");
}

static void broken_key_files_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "abc",
        (KEY_TEXT "00"),
        (KEY_TEXT "0"),
        (KEY_TEXT KEY_TEXT KEY_TEXT),
        ("x" KEY_TEXT),
        "0001 2030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1",
        "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    for (size_t i = 0; i < TT_COUNT(texts); i++) {
        write_file("broken", texts[i], 0600);
        load_fails("broken", "secret_file_invalid");
    }
}

static void *load_raced(void *arg)
{
    struct tt_keys *keys = arg;
    char path[256];
    snprintf(path, sizeof(path), "%s/raced", directory);
    return tt_keys_load(keys, path, NULL) < 0 ? keys : NULL;
}

static void first_use_by_many_gives_one_key(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct tt_keys keys[8];
        pthread_t threads[8];
        unlink(in_directory("raced"));
        for (int i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, load_raced, &keys[i]);
        for (int i = 0; i < 8; i++) {
            void *failed;
            pthread_join(threads[i], &failed);
            assert_null(failed);
        }
        for (int i = 1; i < 8; i++)
            assert_memory_equal(&keys[0], &keys[i], sizeof(keys[0]));
    }
}

static void seals_and_unseals(void **state)
{
    (void)state;
    struct tt_keys keys;
    tt_keys_load(&keys, in_directory("new"), NULL);
    for (size_t len = 0; len < 300; len += len < 5 ? 1 : 37) {
        char plain[300];
        struct tt_buf a = {0}, b = {0}, out = {0};
        memset(plain, (int)len, len);
        assert_int_equal(tt_seal(&keys, tt_str_of(plain, len), TT_STR("user:1"), &a), 0);
        assert_int_equal(tt_seal(&keys, tt_str_of(plain, len), TT_STR("user:1"), &b), 0);
        assert_string_not_equal(a.data, b.data);
        assert_int_equal(strlen(a.data), a.len);
        tt_buf_append_z(&out, ">");
        assert_int_equal(tt_unseal(&keys, tt_buf_str(&a), TT_STR("user:1"), &out, NULL), 0);
        assert_text_equal(tt_str_of(out.data + 1, out.len - 1), tt_str_of(plain, len));
        tt_buf_free(&a);
        tt_buf_free(&b);
        tt_buf_free(&out);
    }
}

static void refuses_unseal(const struct tt_keys *keys, struct tt_str sealed, struct tt_str bound)
{
    struct tt_err err = {0};
    struct tt_buf out = {0};
    struct tt_str exact = cases_exact(sealed);
    tt_buf_append_z(&out, "kept");
    if (tt_unseal(keys, exact, bound, &out, &err) == 0)
        fail_msg("opened: %.*s", TT_STR_ARG(sealed));
    assert_string_equal(err.code, "secret_unreadable");
    assert_string_equal(out.data, "kept");
    assert_int_equal(out.len, 4);
    tt_buf_free(&out);
    free((char *)exact.data);
}

static void sealed_records_cannot_be_moved_or_changed(void **state)
{
    (void)state;
    struct tt_keys keys, other;
    struct tt_buf a = {0};
    tt_keys_load(&keys, in_directory("new"), NULL);
    tt_keys_load(&other, in_directory("other"), NULL);
    struct tt_str bound = TT_STR("user:1:api:7");
    tt_seal(&keys, TT_STR("sk-secret"), bound, &a);
    assert_null(strstr(a.data, "secret"));
    refuses_unseal(&keys, tt_buf_str(&a), TT_STR("user:1:api:8"));
    refuses_unseal(&keys, tt_buf_str(&a), TT_STR(""));
    refuses_unseal(&other, tt_buf_str(&a), bound);
    memcpy(other.seal_id, keys.seal_id, sizeof(keys.seal_id));
    refuses_unseal(&other, tt_buf_str(&a), bound);
    for (size_t i = 0; i < a.len; i++) {
        refuses_unseal(&keys, tt_str_of(a.data, i), bound);
        char before = a.data[i];
        a.data[i] = before == 'A' ? 'B' : 'A';
        refuses_unseal(&keys, tt_buf_str(&a), bound);
        a.data[i] = before;
    }
    tt_buf_putc(&a, 'A');
    refuses_unseal(&keys, tt_buf_str(&a), bound);
    tt_buf_free(&a);
}

static void sealing_respects_the_cap(void **state)
{
    (void)state;
    struct tt_keys keys;
    struct tt_buf small = {.max = 40}, whole = {0}, tight = {.max = 3};
    tt_keys_load(&keys, in_directory("new"), NULL);
    assert_int_equal(tt_seal(&keys, TT_STR("abcd"), TT_STR(""), &small), -1);
    assert_int_equal(small.len, 0);
    tt_seal(&keys, TT_STR("abcd"), TT_STR(""), &whole);
    assert_int_equal(tt_unseal(&keys, tt_buf_str(&whole), TT_STR(""), &tight, NULL), -1);
    assert_int_equal(tight.len, 0);
    tt_buf_free(&small);
    tt_buf_free(&whole);
    tt_buf_free(&tight);
}

static void hashes_and_compares(void **state)
{
    (void)state;
    char hex[65], a[34], b[34];
    tt_sha256_hex(TT_STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tt_sha256_hex((struct tt_str){NULL, 0}, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    memset(a, 'x', sizeof(a));
    tt_random_hex(a, 32);
    tt_random_hex(b, 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_int_equal(a[32], 0);
    assert_int_equal(a[33], 'x');
    assert_string_not_equal(a, b);
    assert_true(tt_secret_equal(TT_STR("abc"), TT_STR("abc")));
    assert_false(tt_secret_equal(TT_STR("abc"), TT_STR("abd")));
    assert_false(tt_secret_equal(TT_STR("abc"), TT_STR("abcd")));
    assert_true(tt_secret_equal((struct tt_str){NULL, 0}, TT_STR("")));
}

static bool is_password(struct tt_str hash, struct tt_str password)
{
    bool equal = false;
    assert_int_equal(tt_password_verify(hash, password, &equal, NULL), 0);
    return equal;
}

static void passwords(void **state)
{
    (void)state;
    struct tt_buf hash = {0}, again = {0};
    assert_int_equal(tt_password_hash(TT_STR("correct horse"), &hash, NULL), 0);
    assert_int_equal(tt_password_hash(TT_STR("correct horse"), &again, NULL), 0);
    assert_string_not_equal(hash.data, again.data);
    assert_true(strncmp(hash.data, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
    assert_true(is_password(tt_buf_str(&hash), TT_STR("correct horse")));
    assert_false(is_password(tt_buf_str(&hash), TT_STR("correct horsf")));
    assert_false(is_password(tt_buf_str(&hash), TT_STR("correct horse\0")));
    assert_false(is_password(tt_buf_str(&hash), TT_STR("")));
    /* What is no hash matches nothing: an account without password cannot be entered. */
    assert_false(is_password(TT_STR(""), TT_STR("")));
    assert_false(is_password(TT_STR("!"), TT_STR("!")));
    hash.data[hash.len - 1] ^= 1;
    assert_false(is_password(tt_buf_str(&hash), TT_STR("correct horse")));
    tt_buf_free(&hash);
    tt_buf_free(&again);
}

/* The library asks the system for Argon2's 19 MiB each time; a process of its own has no more. */
static void no_memory_is_no_wrong_password(void **state)
{
    (void)state;
    struct tt_buf hash = {0};
    struct tt_err err = {0};
    struct rlimit before, none;
    bool equal = true;
    assert_int_equal(tt_password_hash(TT_STR("correct horse"), &hash, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    int failed = tt_password_verify(tt_buf_str(&hash), TT_STR("correct horse"), &equal, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(failed, -1);
    assert_string_equal(err.code, "no_memory");
    assert_int_equal(err.status, 503);
    assert_false(equal);
    assert_true(is_password(tt_buf_str(&hash), TT_STR("correct horse")));
    tt_buf_free(&hash);
}

static int setup(void **state)
{
    (void)state;
    tt_secret_setup();
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_compares),
        cmocka_unit_test(key_file_is_made_once),
        cmocka_unit_test(derived_keys_stay_the_same),
        cmocka_unit_test(unsafe_key_files_are_refused),
        cmocka_unit_test(mounted_key_files_are_loaded_with_a_warning),
        cmocka_unit_test(linked_key_files_are_loaded),
        cmocka_unit_test(broken_key_files_are_refused),
        cmocka_unit_test(first_use_by_many_gives_one_key),
        cmocka_unit_test(seals_and_unseals),
        cmocka_unit_test(sealed_records_cannot_be_moved_or_changed),
        cmocka_unit_test(sealing_respects_the_cap),
        cmocka_unit_test(passwords),
        cmocka_unit_test(no_memory_is_no_wrong_password),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
