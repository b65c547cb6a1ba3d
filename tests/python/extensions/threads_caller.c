// A library, opened through ctypes, whose own threads call a function that may be Python's.
#include <pthread.h>
#include <stdlib.h>

struct job {
    int (*function)(int);
    int times;
    long sum;
};

static void* run(void* argument) {
    struct job* job = argument;
    for (int i = 0; i < job->times; i++) job->sum += job->function(i);
    return NULL;
}

// The sum of all that `function` returned to so many threads, each of which calls it so often.
long call_from_threads(int (*function)(int), int threads, int times) {
    pthread_t* ids = calloc((size_t)threads, sizeof *ids);
    struct job* jobs = calloc((size_t)threads, sizeof *jobs);
    long sum = 0;
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct job){function, times, 0};
        pthread_create(&ids[i], NULL, run, &jobs[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += jobs[i].sum;
    }
    free(ids);
    free(jobs);
    return sum;
}
