/* The blocks are allocated, not only promised: a file with holes would reserve nothing. */
#include "base/disk_reserve.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LEAST    ((uint64_t)256 << 10)
#define PAUSE_MS 1000

static struct {
    pthread_mutex_t lock;
    int fd; /* -1: none */
    uint64_t size;
    uint64_t next_try_ms;
    atomic_bool is_full;
} reserve = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* At least as much as the reserve has stays free, or what is written next would take it away again.
 */
static bool has_room(uint64_t size)
{
    struct statvfs vfs;
    if (fstatvfs(reserve.fd, &vfs) != 0)
        return true; /* the allocation will show it */
    return (uint64_t)vfs.f_bavail * vfs.f_frsize / 2 >= size;
}

static bool take(uint64_t size)
{
    if (posix_fallocate(reserve.fd, 0, (off_t)size) == 0)
        return true;
    int rc = ftruncate(reserve.fd, 0); /* the part that did fit */
    (void)rc;
    return false;
}

static void take_what_fits(uint64_t wanted)
{
    uint64_t size = wanted;
    off_t there = lseek(reserve.fd, 0, SEEK_END);

    if (there > 0 && (uint64_t)there > wanted && ftruncate(reserve.fd, (off_t)wanted) != 0)
        return;
    if (there <= 0 || (uint64_t)there < wanted)
        while (size > LEAST && !has_room(size))
            size /= 2;
    reserve.size = size;
    bool taken = take(size);
    atomic_store(&reserve.is_full, !taken);
    if (!taken || size < wanted)
        tt_log(TT_LOG_WARN, "the disk has little room: its reserve is smaller than wanted",
               TT_F_INT("wanted", (int64_t)wanted), TT_F_INT("reserve", taken ? (int64_t)size : 0));
}

int tt_disk_reserve_open(const char *path, uint64_t size, struct tt_err *err)
{
    if (size == 0) {
        unlink(path);
        return 0;
    }
    pthread_mutex_lock(&reserve.lock);
    reserve.fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (reserve.fd >= 0)
        take_what_fits(size);
    pthread_mutex_unlock(&reserve.lock);
    return reserve.fd >= 0 ? 0
                           : tt_err_set(err, 0, "data_dir_failed", "%s: %s", path, strerror(errno));
}

void tt_disk_reserve_close(void)
{
    pthread_mutex_lock(&reserve.lock);
    if (reserve.fd >= 0)
        close(reserve.fd);
    reserve.fd = -1;
    atomic_store(&reserve.is_full, false);
    pthread_mutex_unlock(&reserve.lock);
}

bool tt_disk_reserve_give_back(void)
{
    pthread_mutex_lock(&reserve.lock);
    bool given = reserve.fd >= 0 && !atomic_load(&reserve.is_full);
    if (given) {
        if (ftruncate(reserve.fd, 0) != 0)
            given = false;
        reserve.next_try_ms = tt_clock_mono_ms() + PAUSE_MS;
        atomic_store(&reserve.is_full, true);
    }
    pthread_mutex_unlock(&reserve.lock);
    if (given)
        tt_log(TT_LOG_ERROR,
               "the disk is full: until there is room, only what deletes or ends "
               "something is stored",
               TT_F_INT("reserve", (int64_t)reserve.size));
    return given;
}

bool tt_disk_is_full(void)
{
    if (!atomic_load_explicit(&reserve.is_full, memory_order_relaxed))
        return false;
    bool taken = false;
    pthread_mutex_lock(&reserve.lock);
    uint64_t now = tt_clock_mono_ms();
    if (reserve.fd >= 0 && atomic_load(&reserve.is_full) && now >= reserve.next_try_ms) {
        reserve.next_try_ms = now + PAUSE_MS;
        taken = has_room(reserve.size) && take(reserve.size);
        atomic_store(&reserve.is_full, !taken);
    }
    pthread_mutex_unlock(&reserve.lock);
    if (taken)
        tt_log(TT_LOG_INFO, "the disk has room again");
    return atomic_load(&reserve.is_full);
}
