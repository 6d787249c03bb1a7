/* inotify. Editors save in many ways (in place, by renaming a new file over the old one, with a
 * backup beside it), so folders are watched, not files, and names decide. For the kernel, watching
 * a folder twice is one watch, so renewing simply walks over all of them again. */
#include "app/cli/script_watch.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define DEPTH_MAX  16
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ONLYDIR)

struct tt_cli_watch {
    int fd;
    const struct tt_script_sources *sources;
    const char *personas_name; /* without the folder */
    int personas_folder;       /* its watch descriptor */
};

static void watch_folder(struct tt_cli_watch *watch, const char *folder, int depth)
{
    char path[PATH_BYTES];
    struct stat status;
    DIR *directory;

    if (inotify_add_watch(watch->fd, folder, EVENTS) < 0 || depth == DEPTH_MAX ||
        !(directory = opendir(folder)))
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] != '.' &&
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < PATH_BYTES &&
            stat(path, &status) == 0 && S_ISDIR(status.st_mode))
            watch_folder(watch, path, depth + 1);
    }
    closedir(directory);
}

void tt_cli_watch_renew(struct tt_cli_watch *watch)
{
    char folder[PATH_BYTES];
    const struct tt_script_sources *sources = watch->sources;
    size_t len = (size_t)(watch->personas_name - sources->personas);

    snprintf(folder, sizeof(folder), "%.*s", len > 0 ? (int)len : 1,
             len > 0 ? sources->personas : ".");
    watch->personas_folder = inotify_add_watch(watch->fd, folder, EVENTS);
    for (size_t i = 0; i < sources->root_count; i++)
        watch_folder(watch, sources->roots[i], 0);
    if (sources->plugins_dir)
        watch_folder(watch, sources->plugins_dir, 0);
}

struct tt_cli_watch *tt_cli_watch_open(const struct tt_script_sources *sources, struct tt_err *err)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    const char *slash = strrchr(sources->personas, '/');

    if (fd < 0) {
        tt_err_set(err, 500, "internal_error", "the files cannot be watched: %s", strerror(errno));
        return NULL;
    }
    struct tt_cli_watch *watch = TT_NEW(struct tt_cli_watch);
    *watch = (struct tt_cli_watch){
        .fd = fd, .sources = sources, .personas_name = slash ? slash + 1 : sources->personas};
    tt_cli_watch_renew(watch);
    return watch;
}

void tt_cli_watch_close(struct tt_cli_watch *watch)
{
    if (!watch)
        return;
    close(watch->fd);
    free(watch);
}

int tt_cli_watch_fd(const struct tt_cli_watch *watch)
{
    return watch->fd;
}

/* The folder of the personas contains much else (the database, logs): only their file counts. */
static bool is_ours(const struct tt_cli_watch *watch, const struct inotify_event *event)
{
    struct tt_str name = tt_str_from(event->len ? event->name : "");

    if (event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
        return true;
    if (tt_str_eq(name, TT_STR(".disabled"))) /* of a plugin */
        return true;
    if (name.len == 0 || name.data[0] == '.')
        return false;
    if (event->wd == watch->personas_folder && tt_str_eq(name, tt_str_from(watch->personas_name)))
        return true;
    /* A folder named like lua/ beside the personas may be lua/ itself, created again. In the other
     * folders a file of any name may be one that a plugin serves. */
    return (event->mask & IN_ISDIR) || tt_str_ends(name, TT_STR(".lua")) ||
           tt_str_ends(name, TT_STR(".sql")) || event->wd != watch->personas_folder;
}

bool tt_cli_watch_read(struct tt_cli_watch *watch)
{
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;

    for (;;) {
        ssize_t n = read(watch->fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return changed;
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            changed = is_ours(watch, event) || changed;
            at += sizeof(*event) + event->len;
        }
    }
}
