// A library that asks in every way how many processors there are. KNOWS_NUMBERS: it also asks which
// one it is on.
#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/types.h>
#include <unistd.h>

#include <thread>

extern "C" {

int by_mask() {
    cpu_set_t mask;
    return sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : -1;
}

int by_thread() {
    cpu_set_t mask;
    return pthread_getaffinity_np(pthread_self(), sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : -1;
}

int by_concurrency() {
    return static_cast<int>(std::thread::hardware_concurrency());
}

int by_online() {
    return get_nprocs();
}
int by_configured() {
    return get_nprocs_conf();
}
int by_sysconf_online() {
    return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}
int by_sysconf_configured() {
    return static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
}

int page_size() {
    return static_cast<int>(sysconf(_SC_PAGESIZE));
}

// Of a process by its number, as psutil asks.
int of_process() {
    cpu_set_t mask;
    return sched_getaffinity(getpid(), sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : -1;
}

static int of_this_thread() {
    cpu_set_t mask;
    return sched_getaffinity(gettid(), sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : -1;
}

// What it may use after it has bound itself to one processor and has given back what it was told.
int given_back() {
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof before, &before) != 0) return -1;
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return -2;
    if (pthread_setaffinity_np(pthread_self(), sizeof before, &before) != 0) return -3;
    return of_this_thread();
}

// What it is told after it has chosen all that it may use.
int chosen() {
    cpu_set_t all;
    if (sched_getaffinity(gettid(), sizeof all, &all) != 0) return -1;
    if (sched_setaffinity(0, sizeof all, &all) != 0) return -2;
    return by_mask();
}

int processor() {
#ifdef KNOWS_NUMBERS
    return sched_getcpu();
#else
    return -1;
#endif
}
}
