// A library that calls Python from a thread of its own, and is not safe for threads: it works on
// one thing at a time, which is in a global.
#include <Python.h>
#include <pthread.h>
#include <sched.h>

static PyObject* current;
static long steps;

static void* body(void* unused) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject* result = PyObject_CallNoArgs(current);
    if (result == NULL) PyErr_WriteUnraisable(current);
    Py_XDECREF(result);
    PyGILState_Release(state);
    return NULL;
}

// Without the GIL.
void caller_run(PyObject* function) {
    pthread_t thread;
    current = function;
    pthread_create(&thread, NULL, body, NULL);
    pthread_join(thread, NULL);
}

// The number of steps that it was told to make, if nobody else was here.
long caller_steps(long count) {
    steps = 0;
    for (long i = 0; i < count; i++) {
        long before = *(volatile long*)&steps;
        if (i % 64 == 0) sched_yield();
        *(volatile long*)&steps = before + 1;
    }
    return steps;
}
