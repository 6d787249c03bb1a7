/* One thread checks every TICK_MS while scripts run, and sleeps without waking up if none has run
 * for a while; the next script that begins wakes it. A script's use is counted from the first check
 * that finds it, so an entry reads no clock: it writes one number.
 *
 * The handler acts on its own thread's watch, and only if the entry that the signal was meant for
 * is still the one that runs. lua_sethook, and the functions that read the hook, are the only parts
 * of Lua that may be called there. */
#include "script/watchdog.h"

#include "base/list.h"
#include "base/log.h"

#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS    10
#define IDLE_TICKS 20  /* without any script, until the thread sleeps: timers run once a second */
#define STUCK_MS   200 /* beyond the budget */
#define SIGNAL     SIGUSR2

struct watch { /* of a thread */
    struct tt_list node;
    pthread_t thread;
    clockid_t clock;
    /* Written by the thread, read by the watchdog: */
    _Atomic uint64_t running; /* number of the entry, 0 = none */
    _Atomic uint64_t number;  /* of the last entry */
    _Atomic uint64_t budget_ns;
    /* Written by the watchdog, read by the handler: */
    _Atomic uint64_t asked; /* number of the entry to be stopped */
    /* The thread and its handler: */
    lua_State *volatile L; /* what runs, inside an entry */
    volatile sig_atomic_t stopped;
    char place[LUA_IDSIZE + 16]; /* where the script was stopped; "" = not yet */
    bool paused_once;            /* in this budget */
    /* The watchdog: */
    uint64_t seen, seen_cpu_ns;
    bool reported;
};

static struct {
    pthread_once_t once;
    pthread_key_t key; /* its destructor takes a thread out that ends */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct tt_list watches;
    atomic_bool sleeping;
    _Atomic(lua_Hook) sample; /* NULL = nobody profiles */
    _Atomic uint64_t timeouts, stuck;
    atomic_int stuck_now;
} dog = {.once = PTHREAD_ONCE_INIT,
         .mutex = PTHREAD_MUTEX_INITIALIZER,
         .wake = PTHREAD_COND_INITIALIZER};

static _Thread_local struct watch *own;

/* ---- in the thread that runs scripts ---- */

static void stop_script(lua_State *L, lua_Debug *where)
{
    struct watch *watch = own;

    if (!watch || !watch->stopped) { /* left over in a coroutine of an entry that has ended */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    if (!watch->place[0]) { /* a pcall on the way out is stopped too, and is not to blame */
        lua_getinfo(L, "Sl", where);
        snprintf(watch->place, sizeof(watch->place), "%s:%d", where->short_src, where->currentline);
    }
    lua_pushfstring(L, "%s: the script ran for more than %I ms of CPU time and was stopped",
                    watch->place, (LUAI_UACINT)(atomic_load(&watch->budget_ns) / 1000000));
    lua_error(L);
}

/* lua_sethook walks all levels of the stack: deep in a recursion that takes longer than a tick, and
 * a thread that did it for each signal would do nothing else. All three are looked at: a signal may
 * have come while the hook was being taken away. */
static void arm(lua_State *L)
{
    if (lua_gethook(L) != stop_script || lua_gethookmask(L) != LUA_MASKCOUNT ||
        lua_gethookcount(L) != 1)
        lua_sethook(L, stop_script, LUA_MASKCOUNT, 1);
}

static void on_signal(int number)
{
    struct watch *watch = own;
    (void)number;
    if (!watch || !watch->L)
        return;
    uint64_t running = atomic_load(&watch->running);
    if (running == 0)
        return;
    if (running != atomic_load(&watch->asked)) {
        lua_Hook sample = atomic_load(&dog.sample);
        if (sample && !watch->stopped && !lua_gethook(watch->L))
            lua_sethook(watch->L, sample, LUA_MASKCOUNT, 1);
        return;
    }
    watch->stopped = 1;
    arm(watch->L);
}

/* ---- the watchdog's thread ---- */

static uint64_t cpu_of(const struct watch *watch)
{
    struct timespec now = {0};
    clock_gettime(watch->clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct look {
    bool active;          /* something ran since the last look */
    int stuck_now, fresh; /* fresh: stuck since this look */
    char thread[16];      /* the name of one of those */
};

static void look_at(struct watch *watch, struct look *look)
{
    uint64_t running = atomic_load(&watch->running), number = atomic_load(&watch->number);

    look->active = look->active || running || number != watch->seen;
    if (number != watch->seen) {
        watch->seen = number;
        watch->seen_cpu_ns = cpu_of(watch);
        watch->reported = false;
        return;
    }
    if (running == 0)
        return;
    uint64_t used = cpu_of(watch) - watch->seen_cpu_ns, budget = atomic_load(&watch->budget_ns);
    if (used < budget)
        return;
    atomic_store(&watch->asked, running);
    pthread_kill(watch->thread, SIGNAL);
    if (used < budget + STUCK_MS * 1000000ull)
        return;
    look->stuck_now++;
    if (!watch->reported) {
        look->fresh++;
        pthread_getname_np(watch->thread, look->thread, sizeof(look->thread));
    }
    watch->reported = true;
}

static struct look look_at_all(void)
{
    struct look look = {0};

    for (struct tt_list *node = dog.watches.next; node != &dog.watches; node = node->next)
        look_at(tt_list_entry(node, struct watch, node), &look);
    atomic_store(&dog.stuck_now, look.stuck_now);
    atomic_fetch_add(&dog.stuck, (uint64_t)look.fresh);
    return look;
}

static void report(const struct look *look)
{
    if (look->fresh)
        tt_log(TT_LOG_ERROR, "a script is stuck in a C function, which cannot be stopped",
               TT_F_Z("thread", look->thread));
}

/* With the mutex held. Whoever begins stores its number and then looks whether this sleeps; this
 * says that it sleeps and then looks at the numbers. So one of the two sees the other. */
static void sleep_until_begun(void)
{
    atomic_store(&dog.sleeping, true);
    if (look_at_all().active) {
        atomic_store(&dog.sleeping, false);
        return;
    }
    while (atomic_load(&dog.sleeping))
        pthread_cond_wait(&dog.wake, &dog.mutex);
}

static void *run(void *arg)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000};
    int idle_ticks = 0;

    (void)arg;
    pthread_setname_np(pthread_self(), "tt-watchdog");
    for (;;) {
        pthread_mutex_lock(&dog.mutex);
        struct look look = look_at_all();
        idle_ticks = look.active ? 0 : idle_ticks + 1;
        if (idle_ticks >= IDLE_TICKS)
            sleep_until_begun();
        pthread_mutex_unlock(&dog.mutex);
        report(&look);
        nanosleep(&tick, NULL);
    }
    return NULL;
}

static void wake(void)
{
    pthread_mutex_lock(&dog.mutex);
    atomic_store(&dog.sleeping, false);
    pthread_cond_signal(&dog.wake);
    pthread_mutex_unlock(&dog.mutex);
}

/* ---- threads ---- */

static void leave(void *arg)
{
    struct watch *watch = arg;

    own = NULL;
    pthread_mutex_lock(&dog.mutex);
    tt_list_remove(&watch->node);
    pthread_mutex_unlock(&dog.mutex);
    free(watch);
}

static void start(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigset_t all, before;
    pthread_t thread;

    tt_list_init(&dog.watches);
    sigaction(SIGNAL, &action, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_key_create(&dog.key, leave) != 0 || pthread_create(&thread, NULL, run, NULL) != 0) {
        tt_log(TT_LOG_ERROR, "no thread for the watchdog");
        abort();
    }
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct watch *join(void)
{
    sigset_t set;

    pthread_once(&dog.once, start);
    struct watch *watch = TT_NEW(struct watch);
    watch->thread = pthread_self();
    pthread_getcpuclockid(watch->thread, &watch->clock);
    pthread_setspecific(dog.key, watch);
    own = watch;
    pthread_mutex_lock(&dog.mutex);
    tt_list_push_back(&dog.watches, &watch->node);
    pthread_mutex_unlock(&dog.mutex);
    sigemptyset(&set);
    sigaddset(&set, SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return watch;
}

/* ---- guards ---- */

/* Under a new number: requests to an earlier entry become void, and a fresh budget runs. */
static void enter(struct watch *watch)
{
    uint64_t number = atomic_load_explicit(&watch->number, memory_order_relaxed) + 1;

    atomic_store_explicit(&watch->number, number, memory_order_relaxed);
    atomic_store(&watch->running, number);
    if (atomic_load(&dog.sleeping))
        wake();
}

void tt_budget_begin(struct tt_budget *guard, lua_State *L, int64_t budget_ms)
{
    struct watch *watch = own ? own : join();

    guard->inner = L;
    guard->outer = watch->L;
    watch->L = L;
    if (guard->outer) {
        atomic_signal_fence(memory_order_seq_cst);
        if (watch->stopped) /* at once, not only at the next signal */
            arm(L);
        return;
    }
    watch->stopped = 0;
    watch->place[0] = '\0';
    watch->paused_once = false;
    atomic_store_explicit(&watch->budget_ns,
                          (uint64_t)(budget_ms > 0 ? budget_ms : TT_BUDGET_RESUME_MS) * 1000000,
                          memory_order_relaxed);
    enter(watch);
}

bool tt_budget_end(struct tt_budget *guard)
{
    struct watch *watch = own;

    if (!guard->outer)
        atomic_store_explicit(&watch->running, 0, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* from here on the handler does nothing */
    watch->L = guard->outer;
    atomic_signal_fence(memory_order_seq_cst);
    if (!watch->stopped)
        return false;
    lua_sethook(guard->inner, NULL, 0, 0);
    if (guard->outer)
        arm(guard->outer);
    else
        atomic_fetch_add(&dog.timeouts, 1);
    watch->stopped = guard->outer != NULL;
    return true;
}

int tt_budget_call(lua_State *L, int arguments, int results, int handler, int64_t budget_ms)
{
    struct tt_budget guard;

    tt_budget_begin(&guard, L, budget_ms);
    int status = lua_pcall(L, arguments, results, handler);
    return tt_budget_end(&guard) && status != LUA_OK ? TT_BUDGET_STOPPED : status;
}

lua_State *tt_budget_enter(lua_State *inner)
{
    lua_State *outer = own->L;

    own->L = inner;
    atomic_signal_fence(memory_order_seq_cst);
    if (own->stopped)
        arm(inner);
    return outer;
}

void tt_budget_leave(lua_State *outer)
{
    own->L = outer;
    atomic_signal_fence(memory_order_seq_cst);
    if (own->stopped)
        arm(outer);
}

void tt_budget_pause(void)
{
    if (own && own->L)
        atomic_store(&own->running, 0);
}

bool tt_budget_pause_once(void)
{
    if (!own || !own->L || own->paused_once)
        return false;
    own->paused_once = true;
    tt_budget_pause();
    return true;
}

void tt_budget_renew(void)
{
    if (own && own->L)
        enter(own);
}

bool tt_budget_stopped(void)
{
    return own && own->stopped;
}

void tt_budget_raise_if_stopped(lua_State *L, const char *function)
{
    if (tt_budget_stopped())
        luaL_error(L, "the script ran too long in %s and was stopped", function);
}

void tt_watchdog_set_sampler(lua_Hook sample)
{
    pthread_once(&dog.once, start);
    atomic_store(&dog.sample, sample);
}

void tt_watchdog_sample(void)
{
    pthread_mutex_lock(&dog.mutex);
    for (struct tt_list *node = dog.watches.next; node != &dog.watches; node = node->next) {
        const struct watch *watch = tt_list_entry(node, struct watch, node);
        if (atomic_load(&watch->running))
            pthread_kill(watch->thread, SIGNAL);
    }
    pthread_mutex_unlock(&dog.mutex);
}

void tt_watchdog_end_sample(lua_State *L)
{
    if (!own || !own->stopped)
        lua_sethook(L, NULL, 0, 0);
}

void tt_watchdog_stats(struct tt_watchdog_stats *out)
{
    out->timeouts = atomic_load(&dog.timeouts);
    out->stuck = atomic_load(&dog.stuck);
    out->stuck_now = atomic_load(&dog.stuck_now);
}
