/* The file store: what is written comes back, keys are keys, a killed process leaves nothing half
 * done, a full disk is told as such. */
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define UNKNOWN "00112233445566778899aabbccddeeff"

static void put_file(struct tt_store *store, struct tt_str bytes, char key[TT_STORE_KEY_SIZE])
{
    struct tt_store_file *file = tt_store_create(store, 1 << 20, NULL);
    assert_non_null(file);
    assert_int_equal(tt_store_append(file, bytes, NULL), 0);
    strcpy(key, tt_store_file_key(file));
    assert_int_equal(tt_store_commit(file, NULL), 0);
}

static void expect_file(struct tt_store *store, const char *key, struct tt_str bytes)
{
    struct tt_buf out = {.max = 1 << 20};
    struct tt_err err = {0};
    if (tt_store_read(store, tt_str_from(key), &out, &err) != 0)
        fail_msg("%s: %s", key, err.message);
    assert_text_equal(tt_buf_str(&out), bytes);
    tt_buf_free(&out);
}

static void expect_missing(struct tt_store *store, const char *key)
{
    struct tt_buf out = {0};
    struct tt_err err = {0};
    assert_int_equal(tt_store_read(store, tt_str_from(key), &out, &err), -1);
    assert_string_equal(err.code, "file_missing");
    assert_int_equal(err.status, 404);
    tt_buf_free(&out);
}

static void writes_and_reads(void **state)
{
    char key[TT_STORE_KEY_SIZE], empty[TT_STORE_KEY_SIZE];
    struct stat st;
    char path[200];
    (void)state;
    struct tt_store *store = open_store();
    struct tt_store_file *file = tt_store_create(store, 11, NULL);
    strcpy(key, tt_store_file_key(file));
    assert_true(tt_store_key_valid(tt_str_from(key)));
    assert_int_equal(tt_store_append(file, TT_STR("hello "), NULL), 0);
    expect_missing(store, key); /* not before the commit */
    assert_int_equal(tt_store_append(file, TT_STR(""), NULL), 0);
    assert_int_equal(tt_store_append(file, TT_STR("world"), NULL), 0);
    assert_int_equal(tt_store_commit(file, NULL), 0);
    expect_file(store, key, TT_STR("hello world"));
    put_file(store, TT_STR(""), empty);
    expect_file(store, empty, TT_STR(""));
    assert_string_not_equal(key, empty);

    snprintf(path, sizeof(path), "%s/files/%.2s/%s", folder, key, key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof(path), "%s/files/%.2s", folder, key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    tt_store_close(store);

    store = open_store(); /* again, and what was there is there */
    expect_file(store, key, TT_STR("hello world"));
    struct tt_err err = {0};
    struct tt_buf small = {.max = 10};
    assert_int_equal(tt_store_read(store, tt_str_from(key), &small, &err), -1);
    assert_string_equal(err.code, "file_too_large");
    assert_int_equal(small.len, 0);
    tt_buf_free(&small);
    assert_int_equal(tt_store_remove(store, tt_str_from(key), NULL), 0);
    expect_missing(store, key);
    assert_int_equal(tt_store_remove(store, tt_str_from(key), NULL), 0); /* nothing to do */
    tt_store_close(store);
    tt_store_close(NULL);
}

static void keeps_to_the_cap(void **state)
{
    struct tt_err err = {0};
    (void)state;
    struct tt_store *store = open_store();
    struct tt_store_file *file = tt_store_create(store, 4, NULL);
    assert_int_equal(tt_store_append(file, TT_STR("abc"), NULL), 0);
    assert_int_equal(tt_store_append(file, TT_STR("de"), &err), -1);
    assert_string_equal(err.code, "file_too_large");
    assert_int_equal(err.status, 413);
    assert_int_equal(tt_store_append(file, TT_STR(""), NULL), -1);
    assert_int_equal(tt_store_commit(file, &err), -1);
    file = tt_store_create(store, 4, NULL);
    assert_int_equal(count_files(), 1);
    tt_store_discard(file);
    tt_store_discard(NULL);
    assert_int_equal(count_files(), 0);
    tt_store_close(store);
}

static void judges_keys(void **state)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "../../../../../../../etc/passwd",
                                      "/etc/passwd0000000000000000000000",
                                      "00112233445566778899aabbccddeef",
                                      "00112233445566778899aabbccddeefff",
                                      "00112233445566778899AABBCCDDEEFF",
                                      "00112233445566778899aabbccddeef/",
                                      "../12233445566778899aabbccddeeff",
                                      ".0112233445566778899aabbccddeeff",
                                      "00112233445566778899aabbccddeef ",
                                      "00112233445566778899aabbccddeefg"};
    (void)state;
    struct tt_store *store = open_store();
    assert_true(tt_store_key_valid(TT_STR(UNKNOWN)));
    assert_false(tt_store_key_valid(TT_STR("00112233445566778899aabbccddee\0f")));
    assert_false(tt_store_key_valid((struct tt_str){0}));
    expect_missing(store, UNKNOWN);
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        struct tt_err err = {0};
        assert_false(tt_store_key_valid(tt_str_from(bad[i])));
        expect_missing(store, bad[i]);
        assert_int_equal(tt_store_remove(store, tt_str_from(bad[i]), &err), -1);
        assert_int_equal(err.status, 404);
    }
    /* a link in the place of a file is not followed */
    char path[200];
    assert_int_equal(tt_store_remove(store, TT_STR(UNKNOWN), NULL), 0); /* nothing to do */
    snprintf(path, sizeof(path), "%s/files/00", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* folders are made with their first file */
    snprintf(path, sizeof(path), "%s/files/00/%s", folder, UNKNOWN);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    struct tt_err err = {0};
    assert_int_equal(tt_store_open_file(store, TT_STR(UNKNOWN), NULL, &err), -1);
    assert_string_equal(err.code, "store_failed");
    tt_store_close(store);
}

static void counts(void **state)
{
    char path[128], key[TT_STORE_KEY_SIZE];
    struct tt_store_count count;
    (void)state;
    snprintf(path, sizeof(path), "%s/files", folder);
    assert_int_equal(tt_store_count(&(struct tt_store_place){.folder = path}, &count, NULL),
                     0); /* no folder yet */
    assert_int_equal(count.files, 0);
    struct tt_store *store = open_store();
    struct tt_store_file *unfinished = tt_store_create(store, 100, NULL);
    assert_int_equal(tt_store_append(unfinished, TT_STR("half"), NULL), 0);
    put_file(store, TT_STR("hello"), key);
    put_file(store, TT_STR("world!"), key);
    assert_int_equal(tt_store_count(&(struct tt_store_place){.folder = path}, &count, NULL), 0);
    assert_int_equal(count.files, 2);
    assert_int_equal(count.bytes, 11);
    tt_store_discard(unfinished);
    tt_store_close(store);
}

static void sweeps(void **state)
{
    char known[TT_STORE_KEY_SIZE], orphan[TT_STORE_KEY_SIZE], young[TT_STORE_KEY_SIZE];
    char path[200];
    (void)state;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    struct tt_store *store = open_store();
    put_file(store, TT_STR("known"), known);
    put_file(store, TT_STR("orphan"), orphan);
    struct tt_store_file *unfinished = tt_store_create(store, 10, NULL);
    snprintf(path, sizeof(path), "%s/files/ab", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/files/ab/notes.txt", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    /* of this process: all of it stays, whether a row knows it or not */
    struct tt_store_swept swept = sweep(store, (const char *const[]){known}, 1);
    assert_int_equal(swept.kept, 1);
    assert_int_equal(swept.orphans + swept.unfinished + swept.missing, 0);
    assert_int_equal(swept.foreign, 1);
    struct tt_err err = {0};
    struct rows none = {0};
    assert_int_equal(tt_store_sweep(store, next_row, &none, NULL, &err), -1); /* once */
    expect_file(store, orphan, TT_STR("orphan"));

    struct tt_store *next = open_store();
    struct tt_store_file *running = tt_store_create(next, 10, NULL);
    put_file(next, TT_STR("young"), young);
    swept = sweep(next, (const char *const[]){UNKNOWN, known, "no key"}, 3);
    assert_int_equal(swept.kept, 1);
    assert_int_equal(swept.orphans, 1);
    assert_int_equal(swept.unfinished, 1);
    assert_int_equal(swept.missing, 2);
    assert_int_equal(swept.foreign, 1);
    expect_file(next, known, TT_STR("known"));
    expect_file(next, young, TT_STR("young"));
    expect_missing(next, orphan);
    assert_int_equal(tt_store_commit(running, NULL), 0);
    assert_int_equal(tt_store_commit(unfinished, &err), -1); /* swept away under its writer */
    assert_int_equal(count_files(), 4);
    tt_store_close(next);
    tt_store_close(store);
    tt_log_setup(TT_LOG_INFO, TT_LOG_JSON);
}

/* ---- a process that is killed after step n ---- */

static int steps_left;

static void kill_here(const char *step)
{
    (void)step;
    if (steps_left-- == 0)
        raise(SIGKILL);
}

/* The life of a file with its row, as the server does it: each line of `log` is a key that a
 * database acknowledged ('+' its insert, '-' its delete), written before and after as SQLite would:
 * insert after the commit, delete before the removal. */
static void live(int log)
{
    char line[TT_STORE_KEY_SIZE + 2];
    struct tt_store *store = open_store();
    for (int i = 0; i < 2; i++) {
        struct tt_store_file *file = tt_store_create(store, 100, NULL);
        tt_store_append(file, TT_STR("one "), NULL);
        tt_store_append(file, TT_STR("two"), NULL);
        snprintf(line, sizeof(line), "+%s", tt_store_file_key(file));
        if (tt_store_commit(file, NULL) != 0 || write(log, line, 33) != 33)
            _exit(1);
        tt_store_step("row");
    }
    line[0] = '-';
    if (write(log, line, 33) != 33)
        _exit(1);
    tt_store_step("no row");
    tt_store_remove(store, tt_str_from(line + 1), NULL);
    tt_store_discard(tt_store_create(store, 100, NULL));
    tt_store_close(store);
    _exit(0);
}

/* True when the child was killed. Fills the keys of the rows that the log leaves. */
static bool live_and_die(int steps, char keys[2][TT_STORE_KEY_SIZE], size_t *count)
{
    int ends[2], status;
    char line[33];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        steps_left = steps;
        tt_store_after_step = kill_here;
        live(ends[1]);
    }
    close(ends[1]);
    *count = 0;
    while (read(ends[0], line, 33) == 33) {
        if (line[0] == '+')
            snprintf(keys[(*count)++], TT_STORE_KEY_SIZE, "%.32s", line + 1);
        else
            (*count)--;
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* The sweep itself is killed too, after `steps` removals, and then done again. */
static void sweep_and_die(int steps, const char *const *rows, size_t count)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        steps_left = steps;
        tt_store_after_step = kill_here;
        sweep(open_store(), rows, count);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void survives_a_kill_at_each_step(void **state)
{
    bool killed = true;
    int steps = 0;
    (void)state;
    for (; killed; steps++) {
        char keys[2][TT_STORE_KEY_SIZE];
        size_t count;
        killed = live_and_die(steps, keys, &count);
        const char *const rows[] = {keys[0], keys[1]};
        sweep_and_die(0, rows, count);
        struct tt_store *store = open_store();
        struct tt_store_swept swept = sweep(store, rows, count);
        assert_int_equal(swept.kept, count);
        assert_int_equal(swept.missing, 0);
        assert_int_equal(count_files(), count);
        for (size_t i = 0; i < count; i++)
            expect_file(store, rows[i], TT_STR("one two"));
        tt_store_close(store);
        sweep_and_die(1000, NULL, 0); /* for the next round */
        assert_int_equal(count_files(), 0);
    }
    /* create, two writes, sync, rename, sync folder, row: twice; no row, remove; create, discard */
    assert_int_equal(steps, 18 + 1);
}

/* ---- faults of the disk ---- */

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

/* The user becomes root of the new namespace: without a map, files could not even be made. */
static bool map_ids(uid_t user, gid_t group)
{
    char users[32], groups[32];
    snprintf(users, sizeof(users), "0 %u 1", (unsigned)user);
    snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)group);
    return write_text("/proc/self/uid_map", users) && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/gid_map", groups);
}

/* In a mount namespace of its own, on a tmpfs of 2 MiB. 77 = such a thing cannot be made here. */
static int fill_a_disk(void)
{
    struct tt_err err = {0};
    char block[65536] = {1}, path[100];
    uid_t user = getuid();
    gid_t group = getgid();
    if (unshare(CLONE_NEWNS) != 0 &&
        (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !map_ids(user, group)))
        return 77;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=2m,nr_inodes=1000") != 0)
        return 77;
    snprintf(path, sizeof(path), "%s/files", folder);
    struct tt_store *store = tt_store_open(&(struct tt_store_place){.folder = path}, &err);
    if (!store)
        return 1;
    struct tt_store_file *file = tt_store_create(store, 1 << 30, NULL);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = tt_store_append(file, tt_str_of(block, sizeof(block)), &err);
    if (rc == 0 || strcmp(err.code, "disk_full") != 0 || err.status != 507)
        return 2;
    if (tt_store_commit(file, &err) == 0 || count_files() != 0)
        return 3;
    file = tt_store_create(store, 100, NULL); /* there is room again */
    if (tt_store_append(file, TT_STR("x"), NULL) != 0 || tt_store_commit(file, NULL) != 0)
        return 4;
    while ((file = tt_store_create(store, 1, &err)))
        tt_store_commit(file, NULL);
    if (strcmp(err.code, "disk_full") != 0)
        return 5;
    tt_store_close(store);
    return 0;
}

static void tells_of_a_full_disk(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_a_disk());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Writes that fail half-way, by a limit on the size of files. */
static void cleans_up_after_a_failed_write(void **state)
{
    const struct rlimit small = {1000, RLIM_INFINITY};
    struct rlimit old;
    struct tt_err err = {0};
    char block[4096] = {1};
    (void)state;
    struct tt_store *store = open_store();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &small);
    struct tt_store_file *file = tt_store_create(store, 1 << 20, NULL);
    int rc = tt_store_append(file, tt_str_of(block, sizeof(block)), &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rc, -1);
    assert_string_equal(err.code, "store_failed");
    assert_int_equal(tt_store_append(file, TT_STR("x"), &err), -1);
    assert_int_equal(tt_store_commit(file, &err), -1);
    assert_int_equal(count_files(), 0);
    tt_store_close(store);
}

static void needs_a_folder(void **state)
{
    struct tt_err err = {0};
    char path[100];
    (void)state;
    assert_null(tt_store_open(&(struct tt_store_place){.folder = "/proc/no/such/folder"}, &err));
    assert_string_equal(err.code, "store_failed");
    snprintf(path, sizeof(path), "%s/plain", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_null(tt_store_open(&(struct tt_store_place){.folder = path}, &err));
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(writes_and_reads),
        STORE_TEST(keeps_to_the_cap),
        STORE_TEST(judges_keys),
        STORE_TEST(counts),
        STORE_TEST(sweeps),
        STORE_TEST(survives_a_kill_at_each_step),
        STORE_TEST(tells_of_a_full_disk),
        STORE_TEST(cleans_up_after_a_failed_write),
        STORE_TEST(needs_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
