// An extension that leaves things behind when its interpreter ends: threads, keys, functions to be
// called at the end, objects in C globals.
#include <Python.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static PyObject* kept;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_key_t keys[8];
static int end_descriptor = -1;

static void key_destructor(void* value) {
    (void)value;
}

static void* wait_for_ever(void* unused) {
    pthread_setspecific(keys[0], &kept);
    pthread_mutex_lock(&mutex);
    for (;;) pthread_cond_wait(&never, &mutex);
    return unused;
}

static void* read_a_byte(void* descriptor) {
    char byte;
    while (read((int)(intptr_t)descriptor, &byte, 1) < 0) {
    }
    return NULL;
}

static PyObject* start(void* (*function)(void*), void* argument, int detached) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    // As libraries do, so that the process's signals go to others.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, NULL, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) return PyErr_SetFromErrno(PyExc_OSError);
    if (detached) pthread_detach(thread);
    Py_RETURN_NONE;
}

// A thread that nobody will ever wake, as pools have them. True: it is detached.
static PyObject* start_waiting(PyObject* m, PyObject* detached) {
    return start(wait_for_ever, NULL, detached == Py_True);
}

// A thread that ends when there is something to read.
static PyObject* start_reading(PyObject* m, PyObject* descriptor) {
    return start(read_a_byte, (void*)(intptr_t)PyLong_AsLong(descriptor), 1);
}

static void at_exit(void) {
    if (write(end_descriptor, "!", 1) != 1) _exit(99);
}

// What Py_AtExit is asked to call writes to this.
static PyObject* tell_at_exit(PyObject* m, PyObject* descriptor) {
    end_descriptor = (int)PyLong_AsLong(descriptor);
    return PyLong_FromLong(Py_AtExit(at_exit));
}

static PyObject* keep(PyObject* m, PyObject* object) {
    Py_XDECREF(kept);
    kept = Py_NewRef(object);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start_waiting", start_waiting, METH_O, NULL},
    {"start_reading", start_reading, METH_O, NULL},
    {"tell_at_exit", tell_at_exit, METH_O, NULL},
    {"keep", keep, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "leaver",
                                        .m_methods = methods, .m_size = -1};

PyMODINIT_FUNC PyInit_leaver(void) {
    for (int i = 0; i < 8; i++) {
        if (pthread_key_create(&keys[i], key_destructor) != 0) {
            PyErr_SetString(PyExc_ImportError, "no key left");
            return NULL;
        }
    }
    PyGILState_Release(PyGILState_Ensure());
    return PyModule_Create(&definition);
}
