/* A clock of its own for a machine in a box, which shares the kernel's with everybody: by /etc/ld.so.preload.
 *
 * /etc/machine-clock holds the nanoseconds by which it is ahead of the kernel's. Every question for the real time
 * is answered with them. In PID 1 a thread watches them, as systemd waits for its timers in the kernel: after a
 * change it sets these anew, and wakes what waits for a change of the clock, as the kernel does (timerfd_create(2)). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST 1024
#define SECOND 1000000000LL
#define FAR (1LL << 33) /* seconds: what is set so far ahead waits for a change of the clock alone */

static volatile int64_t *ahead;
static int64_t nothing;
static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_create)(int, int);
static int (*real_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static struct {
    int is_real, is_set, flags;
    struct itimerspec wanted;
} timers[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_real(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_REALTIME_COARSE;
}

static void shift(struct timespec *at, int64_t by) {
    int64_t nanoseconds = at->tv_nsec + by % SECOND;
    at->tv_sec += by / SECOND;
    if (nanoseconds < 0) nanoseconds += SECOND, at->tv_sec--;
    if (nanoseconds >= SECOND) nanoseconds -= SECOND, at->tv_sec++;
    at->tv_nsec = nanoseconds;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real_gettime) real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_gettime(clock, at);
    if (result == 0 && ahead && is_real(clock)) shift(at, *ahead);
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec, at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int timerfd_create(int clock, int flags) {
    if (!real_create) real_create = dlsym(RTLD_NEXT, "timerfd_create");
    int fd = real_create(clock, flags);
    if (fd >= 0 && fd < MOST) {
        pthread_mutex_lock(&lock);
        timers[fd].is_real = is_real(clock), timers[fd].is_set = 0;
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

static int set(int fd, int flags, const struct itimerspec *wanted, struct itimerspec *before) {
    struct itimerspec moved = *wanted;
    if (moved.it_value.tv_sec < FAR) {
        shift(&moved.it_value, -*ahead);
        if (moved.it_value.tv_sec < 0 || (!moved.it_value.tv_sec && !moved.it_value.tv_nsec))
            moved.it_value.tv_sec = 0, moved.it_value.tv_nsec = 1;
    }
    return real_settime(fd, flags, &moved, before);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *wanted, struct itimerspec *before) {
    if (!real_settime) real_settime = dlsym(RTLD_NEXT, "timerfd_settime");
    int armed = wanted->it_value.tv_sec || wanted->it_value.tv_nsec;
    if (!ahead || fd < 0 || fd >= MOST || !timers[fd].is_real || !(flags & TFD_TIMER_ABSTIME))
        return real_settime(fd, flags, wanted, before);
    pthread_mutex_lock(&lock);
    timers[fd].is_set = armed, timers[fd].flags = flags, timers[fd].wanted = *wanted;
    int result = armed ? set(fd, flags, wanted, before) : real_settime(fd, flags, wanted, before);
    pthread_mutex_unlock(&lock);
    return result;
}

static void *watch(void *unused) {
    int64_t known = *ahead;
    const struct itimerspec at_once = {.it_value = {.tv_nsec = 1}};
    (void)unused;
    for (;;) {
        usleep(20000);
        if (*ahead == known) continue;
        known = *ahead;
        pthread_mutex_lock(&lock);
        for (int fd = 0; fd < MOST; fd++) {
            if (!timers[fd].is_real || !timers[fd].is_set) continue;
            if (timers[fd].flags & TFD_TIMER_CANCEL_ON_SET)
                real_settime(fd, 0, &at_once, 0);
            else
                set(fd, timers[fd].flags, &timers[fd].wanted, 0);
        }
        pthread_mutex_unlock(&lock);
    }
    return 0;
}

__attribute__((constructor)) static void begin(void) {
    ahead = &nothing;
    int fd = open("/etc/machine-clock", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *shared = mmap(0, sizeof nothing, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED) return;
    ahead = shared;
    if (getpid() != 1) return;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&thread, 0, watch, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
}
