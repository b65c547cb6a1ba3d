// A library whose threads keep their thread state for the next callback, as cffi's do.
#include <Python.h>
#include <pthread.h>

static void* keep_a_state(void* function) {
    for (int i = 0; i < 10; i++) {
        PyGILState_STATE outer = PyGILState_Ensure();
        // Once for the state that is kept: never released.
        if (PyGILState_GetThisThreadState()->gilstate_counter == 1) PyGILState_Ensure();
        Py_XDECREF(PyObject_CallNoArgs(function));
        PyGILState_Release(outer);
    }
    return NULL;
}

static void* come_again(void* function) {
    for (int i = 0; i < 10; i++) {
        PyGILState_STATE outer = PyGILState_Ensure();
        PyThreadState* saved = PyEval_SaveThread();
        PyGILState_STATE inner = PyGILState_Ensure();
        Py_XDECREF(PyObject_CallNoArgs(function));
        PyGILState_Release(inner);
        PyEval_RestoreThread(saved);
        Py_XDECREF(PyObject_CallNoArgs(function));
        PyGILState_Release(outer);
    }
    return NULL;
}

// Two threads, one of each kind; with the GIL.
int from_threads(PyObject* function) {
    pthread_t threads[2];
    PyThreadState* saved = PyEval_SaveThread();
    pthread_create(&threads[0], NULL, keep_a_state, function);
    pthread_create(&threads[1], NULL, come_again, function);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    PyEval_RestoreThread(saved);
    return 0;
}
