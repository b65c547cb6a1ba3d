/* Makes and ends one interpreter after the other with nothing but CPython's own functions: the
   control of interpreter_cycles.py, which compiles it and calls it through ctypes (without a GIL).
   As allcores does it: an own GIL, and a raw thread for each that makes it, works and ends it. */
#include <Python.h>
#include <pthread.h>

struct cycle {
    const char* source;
    int status;
};

static void* one_cycle(void* argument) {
    struct cycle* cycle = argument;
    PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 1,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyThreadState* state = NULL;
    const PyStatus made = Py_NewInterpreterFromConfig(&state, &config);
    if (PyStatus_Exception(made) || state == NULL) return NULL;
    cycle->status = PyRun_SimpleString(cycle->source);
    Py_EndInterpreter(state);
    return NULL;
}

/* 0 when an interpreter was made, ran the source without an exception, and was ended. */
int one_interpreter(const char* source) {
    struct cycle cycle = {source, -1};
    pthread_t thread;
    if (pthread_create(&thread, NULL, one_cycle, &cycle) != 0) return -1;
    pthread_join(thread, NULL);
    return cycle.status;
}
