/* The aux pool: where a job runs, where its answer arrives, when it is refused, and what becomes of
 * it when it is cancelled or the pool ends. */
#include "base/mem.h"
#include "loop/aux.h"
#include "unit_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_job {
    struct tt_aux_job job;
    struct tt_aux *aux;
    sem_t *gate; /* run waits for it */
    sem_t *begun;
    bool first;
    int runs, dones, drops;
    int more; /* times that it submits itself from done */
    bool saw_cancel, cancelled_in_done;
    char thread_name[16];
    pthread_t ran_on, done_on;
    sigset_t mask;
};

static int new_loop(void **state)
{
    alarm(60);
    *state = tt_loop_new(NULL);
    return *state ? 0 : -1;
}

static int free_loop(void **state)
{
    tt_loop_free(*state);
    alarm(0);
    return 0;
}

static void run(struct tt_aux_job *job)
{
    struct test_job *self = TT_CONTAINER_OF(job, struct test_job, job);
    if (self->begun)
        sem_post(self->begun);
    if (self->gate)
        sem_wait(self->gate);
    self->runs++;
    self->ran_on = pthread_self();
    self->saw_cancel = tt_aux_cancelled(job);
    pthread_getname_np(pthread_self(), self->thread_name, sizeof(self->thread_name));
    pthread_sigmask(SIG_SETMASK, NULL, &self->mask);
}

static void done(struct tt_aux_job *job)
{
    struct test_job *self = TT_CONTAINER_OF(job, struct test_job, job);
    struct tt_loop *loop = job->loop;
    self->dones++;
    self->done_on = pthread_self();
    self->cancelled_in_done = tt_aux_cancelled(job);
    if (self->more-- > 0)
        assert_int_equal(tt_aux_submit(self->aux, loop, job, NULL), 0);
}

static void drop(struct tt_aux_job *job)
{
    TT_CONTAINER_OF(job, struct test_job, job)->drops++;
}

static struct test_job job_of(struct tt_aux *aux)
{
    return (struct test_job){.job = {.run = run, .done = done, .drop = drop}, .aux = aux};
}

static void turn_until(struct tt_loop *loop, const int *count, int wanted)
{
    while (*count < wanted)
        tt_loop_tick(loop, 1000);
    assert_int_equal(*count, wanted);
}

static void test_runs_there_and_answers_here(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 2, 8, NULL);
    struct test_job job = job_of(aux);
    sigset_t mine;
    assert_int_equal(tt_aux_submit(aux, *state, &job.job, NULL), 0);
    assert_int_equal(job.dones, 0);
    turn_until(*state, &job.dones, 1);
    assert_int_equal(job.runs, 1);
    assert_false(job.saw_cancel);
    assert_false(job.cancelled_in_done);
    assert_true(pthread_equal(job.done_on, pthread_self()));
    assert_false(pthread_equal(job.ran_on, pthread_self()));
    assert_int_equal(strncmp(job.thread_name, "aux-", 4), 0);
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP)
            assert_true(sigismember(&job.mask, number) == 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM) == 1); /* ours is as before */
    tt_aux_free(aux);
}

static void test_full_queue_refuses_at_once(void **state)
{
    enum { THREADS = 2, QUEUE = 3, MANY = THREADS + QUEUE };
    struct tt_aux *aux = tt_aux_new("aux", THREADS, QUEUE, NULL);
    struct test_job jobs[MANY + 1];
    struct tt_err err = {0};
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    for (int i = 0; i <= MANY; i++) {
        jobs[i] = job_of(aux);
        jobs[i].gate = &gate;
        jobs[i].begun = &begun;
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(tt_aux_submit(aux, *state, &jobs[i].job, NULL), 0);
    assert_int_equal(tt_aux_submit(aux, *state, &jobs[MANY].job, &err), -1);
    assert_string_equal(err.code, "busy");
    assert_int_equal(err.status, 503);
    for (int i = 0; i < THREADS; i++)
        sem_wait(&begun);
    assert_int_equal(tt_aux_waiting(aux), QUEUE);
    assert_int_equal(tt_aux_busy(aux), MANY);
    assert_int_equal(tt_aux_submit(aux, *state, &jobs[MANY].job, &err), -1);
    for (int i = 0; i < MANY; i++)
        sem_post(&gate);
    for (int i = 0; i < MANY; i++)
        turn_until(*state, &jobs[i].dones, 1);
    assert_int_equal(tt_aux_waiting(aux), 0);
    while (tt_aux_busy(aux) > 0) /* the last answer's thread is on its way out */
        usleep(100);
    assert_int_equal(jobs[MANY].runs + jobs[MANY].dones, 0);
    tt_aux_free(aux);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

/* With no queue at all: the thread must be free again before done is called. */
static void test_done_submits_the_next(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 0, NULL);
    struct test_job job = job_of(aux);
    job.more = 2000;
    assert_int_equal(tt_aux_submit(aux, *state, &job.job, NULL), 0);
    turn_until(*state, &job.dones, 2001);
    assert_int_equal(job.runs, 2001);
    tt_aux_free(aux);
}

static void test_cancel(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 8, NULL);
    struct test_job running = job_of(aux), waiting = job_of(aux);
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    running.gate = &gate;
    running.begun = &begun;
    tt_aux_submit(aux, *state, &running.job, NULL);
    tt_aux_submit(aux, *state, &waiting.job, NULL);
    sem_wait(&begun);
    tt_aux_cancel(&running.job);
    tt_aux_cancel(&waiting.job);
    sem_post(&gate);
    turn_until(*state, &waiting.dones, 1);
    assert_int_equal(waiting.runs, 0);
    assert_true(waiting.cancelled_in_done);
    assert_int_equal(running.dones, 1);
    assert_int_equal(running.runs, 1);
    assert_true(running.saw_cancel);

    assert_int_equal(tt_aux_submit(aux, *state, &waiting.job, NULL), 0); /* begins anew */
    turn_until(*state, &waiting.dones, 2);
    assert_int_equal(waiting.runs, 1);
    tt_aux_free(aux);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

static void *open_gate(void *gate)
{
    usleep(30000);
    sem_post(gate);
    return NULL;
}

static void test_free_ends_what_runs_and_drops_the_rest(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 8, NULL);
    struct test_job running = job_of(aux), waiting = job_of(aux), plain = job_of(aux);
    sem_t gate, begun;
    pthread_t opener;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    running.gate = &gate;
    running.begun = &begun;
    plain.job.drop = NULL;
    tt_aux_submit(aux, *state, &running.job, NULL);
    tt_aux_submit(aux, *state, &waiting.job, NULL);
    tt_aux_submit(aux, *state, &plain.job, NULL);
    sem_wait(&begun);
    pthread_create(&opener, NULL, open_gate, &gate);
    tt_aux_free(aux);
    assert_int_equal(running.runs, 1);
    assert_int_equal(waiting.drops, 1);
    assert_int_equal(running.drops + plain.drops, 0);
    tt_loop_tick(*state, 0);
    assert_int_equal(running.dones, 1);
    assert_int_equal(waiting.runs + waiting.dones + plain.runs + plain.dones, 0);
    pthread_join(opener, NULL);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

/* ---- users take turns ---- */

static char order[64];

static void run_in_order(struct tt_aux_job *job)
{
    struct test_job *self = TT_CONTAINER_OF(job, struct test_job, job);
    size_t n = strlen(order); /* one thread: no two at once */
    order[n] = self->first ? 'f' : (char)('0' + job->owner);
    order[n + 1] = 0;
    self->runs++;
}

static void test_owners_take_turns(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 20, NULL);
    struct test_job stopper = job_of(aux), jobs[9];
    static const uint64_t owners[9] = {1, 1, 1, 1, 1, 2, 2, 3, 4};
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    stopper.gate = &gate;
    stopper.begun = &begun;
    tt_aux_submit(aux, *state, &stopper.job, NULL);
    sem_wait(&begun);
    order[0] = 0;
    for (size_t i = 0; i < 9; i++) {
        jobs[i] = job_of(aux);
        jobs[i].job.run = run_in_order;
        jobs[i].job.owner = owners[i];
        jobs[i].job.first = jobs[i].first = owners[i] == 4;
        assert_int_equal(tt_aux_submit(aux, *state, &jobs[i].job, NULL), 0);
    }
    sem_post(&gate);
    for (size_t i = 0; i < 9; i++)
        turn_until(*state, &jobs[i].dones, 1);
    assert_string_equal(order, "f12312111");
    turn_until(*state, &stopper.dones, 1);
    tt_aux_free(aux);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

/* Slow work of one leaves threads and room for others; those who go first find room in a full
 * queue. */
static void test_one_owner_has_a_part(void **state)
{
    enum { QUEUE = 8 };
    struct tt_aux *aux = tt_aux_new("aux", 4, QUEUE, NULL);
    struct test_job slow[2 + QUEUE / 2 + 1], other = job_of(aux), known = job_of(aux);
    struct test_job rest[QUEUE];
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    for (size_t i = 0; i < TT_COUNT(slow); i++) {
        slow[i] = job_of(aux);
        slow[i].gate = &gate;
        slow[i].begun = &begun;
        slow[i].job.owner = 1;
        bool fits = i + 1 < TT_COUNT(slow);
        assert_int_equal(tt_aux_submit(aux, *state, &slow[i].job, NULL), fits ? 0 : -1);
        if (i < 2)
            sem_wait(&begun); /* they run; the others wait, though two threads are free */
    }
    other.job.owner = 2;
    assert_int_equal(tt_aux_submit(aux, *state, &other.job, NULL), 0);
    turn_until(*state, &other.dones, 1);
    assert_int_equal(tt_aux_waiting(aux), QUEUE / 2);
    for (size_t i = 0; i < TT_COUNT(rest); i++) {
        rest[i] = job_of(aux);
        rest[i].gate = &gate;
        rest[i].job.owner = 3;
        bool fits = i < 4 + QUEUE - 2 - QUEUE / 2;
        rest[i].begun = &begun;
        assert_int_equal(tt_aux_submit(aux, *state, &rest[i].job, NULL), fits ? 0 : -1);
        if (i < 2)
            sem_wait(&begun);
    }
    known.job.owner = 4;
    known.gate = &gate;
    assert_int_equal(tt_aux_submit(aux, *state, &known.job, NULL), -1);
    known.job.first = true;
    assert_int_equal(tt_aux_submit(aux, *state, &known.job, NULL), 0);
    for (int i = 0; i < 20; i++)
        sem_post(&gate);
    turn_until(*state, &known.dones, 1);
    turn_until(*state, &slow[TT_COUNT(slow) - 2].dones, 1);
    turn_until(*state, &rest[5].dones, 1);
    tt_aux_free(aux);
    tt_loop_tick(*state, 0);
    sem_destroy(&gate);
    sem_destroy(&begun);
}

static void run_until_cancelled(struct tt_aux_job *job)
{
    struct test_job *self = TT_CONTAINER_OF(job, struct test_job, job);
    sem_post(self->begun);
    while (!tt_aux_cancelled(job))
        usleep(1000);
    self->runs++;
}

static void test_the_end_cancels_what_runs(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 8, NULL);
    struct test_job job = job_of(aux);
    sem_t begun;
    sem_init(&begun, 0, 0);
    job.begun = &begun;
    job.job.run = run_until_cancelled;
    tt_aux_submit(aux, *state, &job.job, NULL);
    sem_wait(&begun);
    tt_aux_free(aux);
    assert_int_equal(job.runs, 1);
    tt_loop_tick(*state, 0);
    sem_destroy(&begun);
}

/* A lookup that a silent name server holds up does not hold up the end. */
static void test_the_end_does_not_wait_for_ever(void **state)
{
    static struct test_job blocked, waiting; /* the thread still has it afterwards */
    static sem_t gate, begun;
    struct tt_aux *aux = tt_aux_new("aux", 1, 8, NULL);
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    blocked = job_of(aux);
    waiting = job_of(aux);
    blocked.job.done = waiting.job.done = NULL;
    blocked.gate = &gate;
    blocked.begun = &begun;
    tt_aux_submit(aux, *state, &blocked.job, NULL);
    tt_aux_submit(aux, *state, &waiting.job, NULL);
    sem_wait(&begun);
    tt_aux_free_within(aux, 10);
    assert_int_equal(blocked.runs, 0);
    assert_int_equal(waiting.drops, 1);
    sem_post(&gate);
    while (__atomic_load_n(&blocked.runs, __ATOMIC_ACQUIRE) == 0)
        usleep(1000);
    struct tt_aux *idle = tt_aux_new("aux", 2, 8, NULL);
    tt_aux_free_within(idle, 10000);
}

struct own_job {
    struct tt_aux_job job;
    sem_t *begun;
};

static void run_and_free(struct tt_aux_job *job)
{
    struct own_job *self = TT_CONTAINER_OF(job, struct own_job, job);
    sem_t *begun = self->begun;
    free(self);
    sem_post(begun);
}

static void test_job_without_done_is_its_own(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 1, 8, NULL);
    sem_t begun;
    (void)state;
    sem_init(&begun, 0, 0);
    for (int i = 0; i < 5; i++) {
        struct own_job *job = TT_NEW(struct own_job);
        job->job.run = run_and_free;
        job->begun = &begun;
        assert_int_equal(tt_aux_submit(aux, NULL, &job->job, NULL), 0);
    }
    for (int i = 0; i < 5; i++)
        sem_wait(&begun);
    tt_aux_free(aux);
    sem_destroy(&begun);
}

static void test_bad_settings(void **state)
{
    struct tt_err err = {0};
    (void)state;
    assert_null(tt_aux_new("aux", 0, 1, &err));
    assert_string_equal(err.code, "thread_failed");
    assert_null(tt_aux_new("aux", 1, -1, &err));
    tt_aux_free(NULL);
    struct tt_aux *aux = tt_aux_new("a-very-long-pool-name", 1, 1, &err);
    assert_non_null(aux);
    tt_aux_free(aux);
}

/* ---- several loops, several threads ---- */

#define LOOPS 3
#define JOBS  300
#define TIMES 20

struct side {
    pthread_t thread;
    struct tt_aux *aux;
    struct tt_loop *loop;
    struct test_job jobs[JOBS];
    int runs;
    bool wrong_thread;
};

static void *side_main(void *arg)
{
    struct side *side = arg;
    side->loop = tt_loop_new(NULL);
    for (int i = 0; i < JOBS; i++) {
        side->jobs[i] = job_of(side->aux);
        side->jobs[i].more = TIMES - 1;
        if (tt_aux_submit(side->aux, side->loop, &side->jobs[i].job, NULL) != 0)
            return NULL;
        if (i % 3 == 0)
            tt_aux_cancel(&side->jobs[i].job);
    }
    for (int i = 0; i < JOBS; i++)
        while (side->jobs[i].dones < TIMES)
            tt_loop_tick(side->loop, 1000);
    for (int i = 0; i < JOBS; i++) {
        side->runs += side->jobs[i].runs;
        side->wrong_thread |= !pthread_equal(side->jobs[i].done_on, pthread_self());
    }
    return NULL;
}

static void test_many_jobs_from_many_loops(void **state)
{
    struct tt_aux *aux = tt_aux_new("aux", 4, LOOPS * JOBS, NULL);
    struct side *sides = tt_alloc(LOOPS * sizeof(*sides));
    (void)state;
    for (int i = 0; i < LOOPS; i++) {
        sides[i].aux = aux;
        assert_int_equal(pthread_create(&sides[i].thread, NULL, side_main, &sides[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(sides[i].thread, NULL);
        assert_false(sides[i].wrong_thread);
        /* the cancelled third may each have left out its first run */
        assert_in_range(sides[i].runs, JOBS * TIMES - JOBS / 3, JOBS * TIMES);
    }
    tt_aux_free(aux);
    for (int i = 0; i < LOOPS; i++)
        tt_loop_free(sides[i].loop);
    free(sides);
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_runs_there_and_answers_here),
        LOOP_TEST(test_full_queue_refuses_at_once),
        LOOP_TEST(test_done_submits_the_next),
        LOOP_TEST(test_cancel),
        LOOP_TEST(test_free_ends_what_runs_and_drops_the_rest),
        LOOP_TEST(test_job_without_done_is_its_own),
        LOOP_TEST(test_bad_settings),
        LOOP_TEST(test_owners_take_turns),
        LOOP_TEST(test_one_owner_has_a_part),
        LOOP_TEST(test_the_end_cancels_what_runs),
        LOOP_TEST(test_the_end_does_not_wait_for_ever),
        LOOP_TEST(test_many_jobs_from_many_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
